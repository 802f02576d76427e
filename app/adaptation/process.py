"""A training's process: started with low priority, ended with the service, its output kept in its folder."""

import json
import subprocess
import sys
from pathlib import Path

from training.adaptation import PROBLEM

LOG = "output.txt"
_LAST_LINES = 3


class Process:
    """One try at a training."""

    def __init__(self, folder: Path, api_key: str) -> None:
        """Start; the key travels by the pipe that also tells the child when we are gone."""
        self._folder = folder
        with (folder / LOG).open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 our own module
                [sys.executable, "-m", "training.worker", str(folder)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"api_key": api_key}).encode() + b"\n")
        self._child.stdin.flush()

    def ended(self) -> bool:
        return self._child.poll() is not None

    def problem(self) -> str | None:
        """Of one that has ended; None if it did what it should."""
        status = self._end()
        if status == 0:
            return None
        told = self._folder / PROBLEM
        if told.is_file():
            return told.read_text(encoding="utf-8")
        lines = (self._folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        how = "was killed, perhaps for its memory" if status < 0 else f"ended with status {status}"
        return f"the training's process {how}: {' / '.join(lines[-_LAST_LINES:])}"

    def kill(self) -> None:
        """It goes on from its last checkpoint when it is started again."""
        self._child.kill()
        self._end()

    def _end(self) -> int:
        assert self._child.stdin is not None
        status = self._child.wait()
        self._child.stdin.close()
        return status
