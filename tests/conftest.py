"""Temporary files of all tests are kept in memory where there is room: they wait for a disk most of the time.

Making a collection's index alone is some 350 calls of msync and fsync. `TMPDIR` names another place.
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
