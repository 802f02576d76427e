"""zip and tar -> the files inside of them, each kept as a source of its own under a name the server makes.

What an archive says about itself is not believed: members and bytes are counted while they come out.
A bad member fails alone; an archive that looks like a bomb gives nothing at all.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self, cast
from urllib.parse import quote

from ingest.errors import (
    FileTooLarge,
    IngestError,
    LeftOut,
    NoText,
    PasswordProtected,
    UnreadableFile,
    UnsupportedFile,
)
from ingest.places import INSIDE
from ingest.records import Source
from ingest.sources import Readable, is_hidden

Kind = Literal["zip", "tar"]
Keep = Callable[[str, Readable], Path]
"""Name and bytes of a member -> where they are now. Raises FileTooLarge."""

_INFLATED: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file))),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip
"""What the standard library raises over archives it can't read."""
_DOCUMENT_PARTS = frozenset(
    ("[Content_Types].xml", "META-INF/container.xml", "META-INF/MANIFEST.MF", "Index/Document.iwa")
)
"""A zip with one of these is one document (Office, epub, iWork), or a program (jar)."""
_NESTED = frozenset(".zip .tar .tgz .tbz2 .txz .gz .bz2 .xz .zst .7z .rar".split())
_DIRECTORY_BYTES = 4 << 20
"""Of a zip's table of contents, which is read at once; 10 000 members with long names fit."""
_HEADER_BYTES = 1 << 20
"""Of a tar's long names and extended headers, which are read at once."""
_PATH_CHARS = 1000
_UNIX = 3
"""As the system that made a zip's entry; only then are its modes Unix's."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one archive."""

    total_bytes: int
    """Unpacked, of all members."""
    members: int = 10_000
    ratio: int = 200
    """Unpacked to packed, once more than `ratio_from` bytes came out; text rarely passes 20."""
    ratio_from: int = 10 << 20


@dataclass(frozen=True, slots=True)
class Refused:
    """A member that was not taken, and why: LeftOut if it is no document at all."""

    source: Source
    error: IngestError


@dataclass(frozen=True, slots=True)
class Unpacked:
    archive: Source
    members: list[Source]
    refused: list[Refused]
    problem: IngestError | None
    """The archive is damaged after these members; what follows is unknown."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    refusal: str | IngestError | None
    """In words for what is no document."""
    content: Callable[[], Readable]


def archive_kind(path: Path) -> Kind | None:
    """What `path` is by its bytes; None for whatever is no archive, or one that is really a document."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return None if _is_document(path) else "zip"
        try:
            tarfile.TarInfo.frombuf(_inflated(file, head).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except _DAMAGED:
            return None
    return "tar"


def unpack(archive: Source, kind: Kind, keep: Keep, limits: Limits) -> Unpacked:
    """Keep every member. Raises UnreadableFile for a bomb or a damaged file, NoText if nothing is inside."""
    meter = _Meter(limits, archive)
    entries = _zip_entries if kind == "zip" else _tar_entries
    members: list[Source] = []
    refused: list[Refused] = []
    problem: IngestError | None = None
    taken: set[str] = set()
    try:
        for entry in entries(archive.path, meter):
            source = _member(archive, entry.name)
            if source is None:
                continue
            try:
                members.append(_take(entry, source, archive, taken, keep))
            except IngestError as error:
                refused.append(Refused(source, error))
    except _Bomb as bomb:
        raise UnreadableFile(str(bomb)) from bomb
    except _Broken as error:
        problem = UnreadableFile(
            f"{archive.name} is damaged after {len(members)} files ({error}): get an undamaged copy"
        )
        if not members:
            raise problem from error
    if not members and not refused:
        raise NoText(f"{archive.name} is an archive without files")
    return Unpacked(archive, members, refused, problem)


def _take(entry: _Entry, source: Source, archive: Source, taken: set[str], keep: Keep) -> Source:
    """The member with its bytes kept. Raises IngestError for this one, `_Bomb` or `_Broken` for all."""
    label = f"{archive.name}{INSIDE}{_printable(entry.name)}"
    if isinstance(entry.refusal, str):
        raise LeftOut(f"{label}: {entry.refusal}, left out")
    if entry.refusal is not None:
        raise type(entry.refusal)(f"{label}: {entry.refusal}")
    if _safe_path(entry.name) is None:
        raise LeftOut(f"{label}: a name that leads out of the archive, left out")
    if source.uri in taken:
        raise LeftOut(f"{label}: a second file of this name, left out")
    if Path(source.name).suffix.lower() in _NESTED:
        raise UnsupportedFile(f"{label} is an archive inside of an archive: unpack it first")
    try:
        path = keep(source.name, entry.content())
    except FileTooLarge as error:
        raise FileTooLarge(f"{archive.name}{INSIDE}{error}") from error
    except _MemberDamaged as error:
        raise UnreadableFile(f"{label} is damaged ({error}): get an undamaged copy of the archive") from error
    taken.add(source.uri)
    return Source(source.uri, source.name, path)


def _member(archive: Source, name: str) -> Source | None:
    """The source a member would be, its bytes still to come; None for what folders leave out as well."""
    path = _safe_path(name)
    if path is None:
        return Source(f"{archive.uri}{INSIDE}{quote(_printable(name), safe='')}", _printable(name), Path())
    parts = path.split("/")
    if parts[0] == "__MACOSX" or any(map(is_hidden, parts)):
        return None
    return Source(f"{archive.uri}{INSIDE}{quote(path)}", parts[-1], Path())


def _safe_path(name: str) -> str | None:
    """`a/b.md` of `./a\\b.md`; None for a name that leads elsewhere. Only ever a label, yet refused."""
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or _DRIVE.match(path) or "\0" in path or ".." in parts or not parts:
        return None
    return _printable("/".join(parts)) if len(path) <= _PATH_CHARS else None


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()[:_PATH_CHARS]


class _Bomb(Exception):
    """The whole archive is refused."""


class _Broken(Exception):
    """Nothing after this point can be read."""


class _MemberDamaged(Exception):
    """One member can't be read."""


class _Meter:
    """Counts what comes out of one archive. Raises `_Bomb` at a limit."""

    def __init__(self, limits: Limits, archive: Source) -> None:
        self._limits = limits
        self._name = archive.name
        self._packed_bytes = archive.path.stat().st_size
        self._members = 0
        self._bytes = 0

    def count_member(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise _Bomb(
                f"{self._name} holds more than {self._limits.members} files: unpack it and ingest the folder"
            )

    def count(self, number: int) -> None:
        self._bytes += number
        if self._bytes > self._limits.total_bytes:
            raise _Bomb(
                f"{self._name} unpacks to more than {self._limits.total_bytes / 1e6:.0f} MB: "
                "unpack it and ingest the folder"
            )
        if self._bytes > self._limits.ratio_from and self._bytes > self._limits.ratio * self._packed_bytes:
            raise _Bomb(
                f"{self._name} unpacks to more than {self._limits.ratio} times its size, which looks like a "
                "bomb: if it is none, unpack it and ingest the folder"
            )


class _Counted(io.RawIOBase):
    """A stream whose bytes are counted."""

    def __init__(self, content: IO[bytes], meter: _Meter) -> None:
        self._content = content
        self._meter = meter

    def read(self, size: int = -1, /) -> bytes:
        block = self._content.read(size)
        self._meter.count(len(block))
        return block


class _Guarded:
    """A stream whose errors are told from those of whoever keeps its bytes: a full disk is no damage."""

    def __init__(self, content: Readable, wrong: type[_Broken] | type[_MemberDamaged]) -> None:
        self._content = content
        self._wrong = wrong

    def read(self, size: int, /) -> bytes:
        try:
            return self._content.read(size)
        except _DAMAGED as error:
            raise self._wrong(str(error)) from error


class _ZipFile(io.FileIO):
    """A zip whose table of contents is refused when it is too long to be taken into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a table of contents of {size / 1e6:.0f} MB")
        return super().read(size) or b""


def _is_document(path: Path) -> bool:
    """Office files and epubs are zips inside. A damaged zip counts: its reader says what is wrong."""
    try:
        with _ZipFile(path) as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            return (
                not _DOCUMENT_PARTS.isdisjoint(names)
                or any(name.startswith("word/document") for name in names)
                or ("mimetype" in names and archive.open("mimetype").read(12) == b"application/")
            )
    except _DAMAGED:
        return True


def _zip_entries(path: Path, meter: _Meter) -> Iterator[_Entry]:
    try:
        with _ZipFile(path) as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                meter.count_member()
                if info.is_dir():
                    continue

                def content(info: zipfile.ZipInfo = info) -> Readable:
                    try:
                        member = archive.open(info)
                    except _DAMAGED as error:
                        raise _MemberDamaged(str(error)) from error
                    return _Guarded(_Counted(member, meter), _MemberDamaged)

                yield _Entry(_zip_name(info), _zip_refusal(info), content)
    except _DAMAGED as error:
        raise _Broken(str(error)) from error


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 without saying so; zipfile takes it for code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _zip_refusal(info: zipfile.ZipInfo) -> str | IngestError | None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in {0, stat.S_IFREG}:
        return "no file"
    if info.flag_bits & 1:
        return PasswordProtected("protected by a password: pack it without one")
    return None


class _Header(tarfile.TarInfo):
    """A header that is damaged, where tarfile would quietly take it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):
                raise  # zeros, or nothing at all, are the end
            raise tarfile.ReadError(str(error)) from error
        if header.type in _EXTENDED and header.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {header.size / 1e6:.0f} MB")
        return header


_EXTENDED = frozenset(
    (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X")
)


def _tar_entries(path: Path, meter: _Meter) -> Iterator[_Entry]:
    """Read once, from front to back: a tar has no table, and a seek could be made to go round in circles."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            file.seek(0)
            stream = cast("IO[bytes]", _Counted(_inflated(file, head), meter))
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
                for member in archive:
                    meter.count_member()
                    if member.isdir():
                        continue

                    def content(member: tarfile.TarInfo = member) -> Readable:
                        found = archive.extractfile(member)
                        assert found is not None, "only files get here"
                        return _Guarded(found, _Broken)

                    yield _Entry(member.name, _tar_refusal(member), content)
    except _DAMAGED as error:
        raise _Broken(str(error)) from error


def _tar_refusal(member: tarfile.TarInfo) -> str | None:
    if member.issym() or member.islnk():
        return "a link"
    if member.issparse():
        return "a file with holes"
    return None if member.isreg() else "no file"


def _inflated(file: IO[bytes], head: bytes) -> IO[bytes]:
    for magic, opened in _INFLATED:
        if head.startswith(magic):
            return opened(file)
    return file
