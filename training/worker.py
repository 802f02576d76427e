"""An adaptation in a process of its own, last in line for the CPU, and gone when whoever started it is.

`python -m training.worker FOLDER`

The first line of stdin is JSON: {"api_key": ...} of the language model. What went wrong is left in
`problem.txt`.
"""

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from embedder.errors import EncoderError
from training.adaptation import PROBLEM, Adaptation
from training.errors import TrainingError

NICE = 10
"""Below what answers people."""


def main() -> int:
    """Exit status: 0, or 1 with the reason in the folder."""
    folder = Path(sys.argv[1])
    os.nice(NICE)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    told = json.loads(os.read(0, 1 << 16))
    threading.Thread(target=_watch, daemon=True).start()
    (folder / PROBLEM).unlink(missing_ok=True)
    from training.adapt import adapt

    try:
        adapt(Adaptation(folder).order, api_key=told["api_key"])
    except (TrainingError, EncoderError, OSError) as error:
        (folder / PROBLEM).write_text(str(error), encoding="utf-8")
        return 1
    return 0


def _watch() -> None:
    os.read(0, 1)  # nothing more comes: this returns when the other end is closed
    os.kill(os.getpid(), signal.SIGKILL)  # whatever it is in the midst of: the checkpoint is there


if __name__ == "__main__":
    sys.exit(main())
