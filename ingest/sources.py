"""Folders, files and uploads -> sources, and a source's bytes -> Document."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
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
    if root.is_file():
        yield Source(uri=root.as_uri(), name=root.name, path=root)
        return
    if not root.is_dir():
        raise SourceGone(f"{root}: no such file or folder on the machine the service runs on")

    def refuse(error: OSError) -> None:
        raise SourceGone(f"{error.filename}: can't be listed ({error.strerror})") from error

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        below = Path(folder).relative_to(root)
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not is_hidden(name) and not selection.leaves_out((below / name).as_posix())
        )
        for name in sorted(names):
            path = Path(folder, name)
            if (
                not is_hidden(name)
                and (below / name).as_posix() in selection
                and path.is_file()
                and not path.is_symlink()
            ):
                yield Source(uri=path.as_uri(), name=name, path=path)


def is_hidden(name: str) -> bool:
    """Hidden files, and the lock files of office programs."""
    return name.startswith((".", "~$"))


def read_document(source: Source, collection: str, *, max_bytes: int) -> Document:
    """The document as it is now. Raises SourceGone if it can't be read, FileTooLarge above `max_bytes`."""
    try:
        size_bytes = source.path.stat().st_size
        if size_bytes > max_bytes:
            raise FileTooLarge(
                f"{source.name}: {size_bytes / 1e6:.0f} MB is over the limit of {max_bytes / 1e6:.0f} MB "
                "per file (KALM_MAX_UPLOAD_MB)"
            )
        with source.path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceGone(f"{source.name}: can't be read any more ({error.strerror})") from error
    return Document(collection, source, content_hash, size_bytes)


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
