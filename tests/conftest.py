"""Where tests keep their files, and how many threads their models have.

Files are kept in memory where there is room: making a collection's index alone is some 350 calls of msync and
fsync. `TMPDIR` names another place. Models are small and have one thread: several wait for one another, for
minutes where the machine is busy. `OMP_NUM_THREADS` names another number.
"""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
"""A file system, on Linux."""
_ROOM_BYTES = 4 << 30


def _has_room() -> bool:
    return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES


if "TMPDIR" not in os.environ and _has_room():
    os.environ["TMPDIR"] = str(_MEMORY)  # of the processes that tests start, too
    tempfile.tempdir = None  # else what was found before stays
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
