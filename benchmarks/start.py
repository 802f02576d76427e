"""How long `kalm up` takes, warm, to a page that answers.

Warm: installed, the sample library ingested, files in the page cache.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.machine import machine

RUNS = 5


def start(environment: dict[str, str]) -> float:
    """Seconds from the command to its "Ctrl-C" line, when both the service and the page answer."""
    begin = time.perf_counter()
    up = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up", "--sample"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    for line in up.stdout:
        if "Ctrl-C" in line:
            break
    seconds = time.perf_counter() - begin
    up.terminate()
    up.wait()
    up.stdout.close()
    return seconds


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "KALM_DATA_DIR": folder,
            "KALM_PORT": free_port(),
            "KALM_UI_PORT": free_port(),
        }
        print(f"first start, with the ingestion of the sample library: {start(environment):.1f} s")
        times = [start(environment) for _ in range(RUNS)]
    median = statistics.median(times)
    print(f"warm start: median {median:.1f} s, {min(times):.1f} to {max(times):.1f}, {RUNS} runs")
    print(machine())


if __name__ == "__main__":
    main()
