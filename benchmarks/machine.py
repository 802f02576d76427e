"""What a figure was measured on; it is printed beside every one."""

import os
import platform
from importlib.metadata import version


def machine() -> str:
    """Cores, processor, Python and torch, in one line."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 Linux only
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except OSError:
        pass
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, torch {version('torch')}"
