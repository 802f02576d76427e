"""Folders, files and uploads -> sources, and a source's bytes -> Document."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from ingest.errors import FileTooLarge, SourceGone
from ingest.places import EVERYTHING, Selection
from ingest.records import Document, Source

_READ_BYTES = 1 << 20
_YOUNG_S = 3600.0


class Readable(Protocol):
    """As much of a stream as is needed to keep it."""

    def read(self, size: int, /) -> bytes: ...


def list_files(root: Path, selection: Selection = EVERYTHING) -> Iterator[Source]:
    """Every selected file below `root` in a stable order, or `root` itself if it is a file.

    Hidden files and office lock files (`~$…`) are left out, and so is whatever a link leads to:
    a link could point anywhere. Raises SourceGone if `root` is not there or can't be listed.
    """
    for file in _files(root, selection):
        path = Path(file)
        yield Source(uri=path.as_uri(), name=path.name, path=path)


def mark_of(root: Path, selection: Selection = EVERYTHING) -> str:
    """Another one as soon as a file that `list_files` names comes, goes, or changes its size or its time.

    Opens no file: a hundred thousand take a second. Raises SourceGone.
    """
    digest = hashlib.sha256()
    for file in _files(root, selection):
        try:
            status = file.stat(follow_symlinks=False)
        except FileNotFoundError:  # it went between listing and looking
            continue
        except OSError as error:
            raise SourceGone(f"{os.fspath(file)}: can't be looked at ({error.strerror})") from error
        digest.update(b"%b\0%d %d\0" % (os.fsencode(file), status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


def _files(root: Path, selection: Selection) -> Iterator["Path | os.DirEntry[str]"]:
    if root.is_file():
        yield root
        return
    if not root.is_dir():
        raise SourceGone(f"{root}: no such file or folder on the machine the service runs on")
    folders = [(str(root), "")]
    while folders:
        folder, below = folders.pop()
        subfolders = []
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            for entry in entries:
                path = below + entry.name
                if is_hidden(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not selection.leaves_out(path):
                        subfolders.append((entry.path, f"{path}/"))
                elif entry.is_file(follow_symlinks=False) and path in selection:
                    yield entry
        except OSError as error:
            raise SourceGone(f"{folder}: can't be listed ({error.strerror})") from error
        folders += reversed(subfolders)


def is_hidden(name: str) -> bool:
    """Hidden files, and the lock files of office programs."""
    return name.startswith((".", "~$"))


def read_document(source: Source, collection: str, *, max_bytes: int) -> Document:
    """The document as it is now. Raises SourceGone if it can't be read, FileTooLarge above `max_bytes`."""
    try:
        status = source.path.stat()
        size_bytes = status.st_size
        if size_bytes > max_bytes:
            raise FileTooLarge(
                f"{source.name}: {size_bytes / 1e6:.0f} MB is over the limit of {max_bytes / 1e6:.0f} MB "
                "per file (KALM_MAX_UPLOAD_MB)"
            )
        with source.path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceGone(f"{source.name}: can't be read any more ({error.strerror})") from error
    modified = source.modified
    if source.path.is_absolute() and source.uri == source.path.as_uri():  # not a copy of ours
        modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
    return Document(collection, source, content_hash, size_bytes, modified)


class Originals:
    """Uploads as they came, one file per content, named by its hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, name: str, content: Readable, *, max_bytes: int) -> Source:
        """Store an upload; durable when it returns. Raises FileTooLarge as soon as it is.

        `name` is only ever a label: the file on disk is named by the hash of its bytes.
        """
        name = Path(name.replace("\\", "/")).name.replace("\0", "") or "unnamed"
        name = name.encode("utf-8", "replace").decode()
        draft = self._folder / f"draft-{uuid4()}"
        digest = hashlib.sha256()
        try:
            with draft.open("wb") as file:
                while block := content.read(_READ_BYTES):
                    digest.update(block)
                    file.write(block)
                    if file.tell() > max_bytes:
                        raise FileTooLarge(f"{name}: over the limit of {max_bytes / 1e6:.0f} MB per file")
                file.flush()
                os.fsync(file.fileno())
            path = self._folder / digest.hexdigest()
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return Source(uri=f"upload:{name}", name=name, path=path)

    def sweep(self, in_use: Callable[[Path], bool]) -> None:
        """Delete uploads that nothing refers to; young ones stay, their job may be about to be queued."""
        for path in self._folder.iterdir():
            if time.time() - path.stat().st_mtime > _YOUNG_S and not in_use(path):
                path.unlink(missing_ok=True)
