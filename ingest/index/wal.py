"""The engine's log brought to disk: what was written survives a power cut without the engine's own flush.

`EdgeShard.flush` writes every segment anew, which takes 0.15 s on an ordinary disk, and no thread runs
meanwhile: it holds the GIL. What it would save is in the log too, and the engine reads that when it opens.
The log alone is on disk in 5 ms and stops nobody.
"""

import os
from pathlib import Path

SEGMENTS = 4
"""Files of 32 MB, from which on the engine should flush: it then drops what it needs no more."""


def keep(folder: Path) -> None:
    """Bring the log in `folder` to disk."""
    for path in (*folder.iterdir(), folder):
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # dropped since it was listed: a flush has saved what was in it
            continue
        try:
            os.fsync(file)
        finally:
            os.close(file)


def is_long(folder: Path) -> bool:
    """Whether it is time for a flush."""
    return sum(1 for _ in folder.iterdir()) > SEGMENTS
