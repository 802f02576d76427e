"""Temporary files of all tests are kept in memory where there is room: they wait for a disk most of the time.

Making a collection's index alone is some 350 calls of msync and fsync. `TMPDIR` names another place.
"""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 a file system, on Linux
_ROOM_BYTES = 4 << 30

if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK):
    if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)  # of the processes that tests start, too
        tempfile.tempdir = None  # else what was found before stays
