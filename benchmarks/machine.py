"""What every figure needs beside it: the machine it was measured on, and a `kalm up` of its own to ask."""

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "app" / "sample"
READY = "Ctrl-C stops everything."
"""The last line of `kalm up` before it waits."""


def describe() -> str:
    """One line; the load tells whether something else was running."""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()}, Python {platform.python_version()}, torch {version('torch')}"
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """Between two values the one in proportion."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass
class Up:
    """A `kalm up` that is ready, and how long each line it printed took to come."""

    url: str
    page: str
    seconds: dict[str, float] = field(default_factory=dict)
    """Line -> seconds since the start."""

    def seconds_to(self, words: str) -> float:
        return next(seconds for line, seconds in self.seconds.items() if words in line)


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    """`kalm up --sample` on free ports with its data in `folder`; KALM_MODEL and the like are taken over."""
    port, ui_port = free_port(), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up", "--sample"],
        cwd=ROOT,
        env={
            **os.environ,
            "KALM_DATA_DIR": str(folder),
            "KALM_PORT": str(port),
            "KALM_UI_PORT": str(ui_port),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    begin = time.perf_counter()
    running = Up(f"http://127.0.0.1:{port}", f"http://localhost:{ui_port}")
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                running.seconds[line.strip()] = time.perf_counter() - begin
                if READY in line:
                    break
            else:
                raise SystemExit("kalm up did not get ready; what it says is above")
            yield running
        finally:
            process.terminate()


def free_port() -> int:
    """Of loopback; free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
