"""Object stores and other file systems through fsspec (`s3://bucket/prefix`): list, and open one object."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from ingest.errors import FileTooLarge, NotAllowedHere, SourceGone
from ingest.places import Place, store_uri
from ingest.sources import Readable, is_hidden

NEVER = frozenset(("file", "local", "http", "https", "reference", "github", "jupyter", "data"))
"""Ways around the folders and addresses that may be read."""
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "versionId", "generation")
"""What stores call the mark of an object's content."""
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class StoredObject:
    uri: str
    name: str
    size_bytes: int | None
    tag: str | None
    """Changes with the content; None where the store says nothing of the kind."""
    modified: datetime | None = None
    """When it was last changed, where the store says so."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that may be read, by scheme."""

    schemes: Collection[str] = ()
    _open: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def objects(self, place: Place) -> Iterator[StoredObject]:
        """Every selected object below a place, in a stable order. Raises SourceGone if it can't be listed."""
        system = self.system(place.scheme)
        root = unquote(place.uri.partition("://")[2])
        try:
            found: dict[str, dict[str, Any]] = system.find(root, detail=True)
        except Exception as error:  # each store has errors of its own
            raise SourceGone(f"{place.root} can't be listed ({_said(error)})") from error
        if not found:
            raise SourceGone(f"{place.root}: nothing is there, or this service may not see it")
        below = f"{root}/" if root else ""
        for path, details in sorted(found.items()):
            path = path.strip("/")
            inner = path.removeprefix(below)
            if path == root or (not any(map(is_hidden, inner.split("/"))) and inner in place.selection):
                yield _stored(place.scheme, path, details)

    @contextmanager
    def fetch(self, uri: str, max_bytes: int) -> Iterator[tuple[StoredObject, Readable]]:
        """An object and its bytes; its tag is from before they were read, so it is never too new."""
        scheme, _, path = uri.partition("://")
        system, path = self.system(scheme), unquote(path)
        try:
            stored = _stored(scheme, path, system.info(path))
            if stored.size_bytes is not None and stored.size_bytes > max_bytes:
                raise FileTooLarge(
                    f"{stored.name}: {stored.size_bytes / 1e6:.0f} MB is over the limit of "
                    f"{max_bytes / 1e6:.0f} MB per file (KALM_MAX_UPLOAD_MB)"
                )
            file = system.open(path, "rb")
        except FileTooLarge:
            raise
        except Exception as error:  # each store has errors of its own
            raise SourceGone(f"{uri} can't be read ({_said(error)})") from error
        with file:
            yield stored, _Remote(file, uri)

    def system(self, scheme: str) -> Any:
        """fsspec's file system, opened once. Raises NotAllowedHere."""
        if scheme not in self.schemes:
            raise NotAllowedHere(
                f"{scheme}:// is not among the stores this service reads: set KALM_STORES='[\"{scheme}\"]'"
            )
        if scheme not in self._open:
            try:
                import fsspec

                self._open[scheme] = fsspec.filesystem(scheme)
            except (ImportError, ValueError) as error:
                raise NotAllowedHere(
                    f"{scheme}:// needs more than is installed ({error}): pip install 'kalm-rag[stores]' and "
                    "the package that fsspec names for it"
                ) from error
        return self._open[scheme]


class _Remote:
    """An object's bytes; the store's errors come as SourceGone."""

    def __init__(self, file: Readable, uri: str) -> None:
        self._file = file
        self._uri = uri

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            raise SourceGone(f"{self._uri} broke off ({_said(error)})") from error


def _stored(scheme: str, path: str, details: dict[str, Any]) -> StoredObject:
    size = details.get("size")
    mark = next((details[key] for key in (*_TAGS, *_TIMES) if details.get(key)), None)
    if isinstance(mark, datetime):
        mark = mark.timestamp()  # one store gives one and the other, by the call
    return StoredObject(
        uri=store_uri(scheme, path),
        name=PurePosixPath(path).name,
        size_bytes=size,
        tag=None if mark is None else f"{mark} {size}",
        modified=_time(next((details[key] for key in _TIMES if details.get(key)), None)),
    )


def _time(said: Any) -> datetime | None:
    """Stores give datetimes, seconds or ISO 8601; what is none of them says nothing."""
    try:
        if isinstance(said, int | float):
            return datetime.fromtimestamp(said, UTC)
        when = datetime.fromisoformat(said) if isinstance(said, str) else said
        return when.astimezone(UTC) if isinstance(when, datetime) else None
    except (ValueError, OverflowError, OSError):
        return None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
