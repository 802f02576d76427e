"""Which format a file is in, told by its bytes; its name only decides between kinds of text."""

import re
import struct
import zipfile
from pathlib import Path, PurePath

import olefile

from ingest.errors import NoText, PasswordProtected, UnreadableFile, UnsupportedFile

_HEAD_BYTES = 8192

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
)
_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("EncryptedPackage", "protected"),
    ("WordDocument", "in the Word format of before 2007: save it as docx"),
    ("PowerPoint Document", "in the PowerPoint format of before 2007: save it as pptx"),
    ("__properties_version1.0", "msg"),
    ("Workbook", "xls"),
    ("Book", "xls"),
)
"""Names at the top of an OLE container, and what they tell."""
_SUFFIXES = {
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".xml": "xml",
    ".csv": "csv",
    ".tsv": "csv",
    ".eml": "eml",
    ".mbox": "mbox",
    ".rst": "rst",
    ".org": "org",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_CODE = frozenset(
    ".bat .c .cc .cfg .clj .cpp .cs .css .dart .erl .ex .go .gradle .groovy .h .hpp .hs .ini .java .jl .js "
    ".jsx .kt .lua .m .ml .php .pl .proto .ps1 .py .r .rb .rs .scala .scss .sh .sql .svelte .swift .tf .toml "
    ".ts .tsx .vb .vue .yaml .yml".split()
)
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<table", b"<div")
_MAIL_HEADERS = (b"from:", b"received:", b"return-path:", b"message-id:", b"mime-version:", b"delivered-to:")
_RECORDS = re.compile(rb"(\[\s*)?\{\s*\"")
"""How JSON begins, where the name says nothing else."""
_MAILBOX = re.compile(rb"from \S+ [^\n]*\d{4}[^\n]*\n(?=[\w-]+:)")
"""How each mail in a file of many begins."""

_ENTRIES = 10_000
_ENTRY_BYTES = 256 << 20
_ARCHIVE_BYTES = 512 << 20
_RATIO = 200
"""Unpacked to packed, once more than `_RATIO_FROM` comes out; text rarely passes 20."""
_RATIO_FROM = 10 << 20


def format_of(path: Path, name: str) -> str:
    """The key of a reader. Raises NoText, UnsupportedFile, PasswordProtected or UnreadableFile."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip(b"\0 \t\r\n"):
        raise NoText(f"{name} is empty ({path.stat().st_size} bytes)")
    kind = next((kind for magic, kind in _MAGIC if head.lstrip().startswith(magic)), None)
    if kind is None and b"%PDF-" in head[:1024] and PurePath(name).suffix.lower() == ".pdf":
        kind = "pdf"  # the specification allows for something before it
    if kind == "zip":
        return _zip_format(path, name)
    if kind == "ole":
        return _ole_format(path, name)
    if kind is not None:
        return kind
    for magic, what in _PICTURES:
        if head.startswith(magic):
            raise UnsupportedFile(f"{name} is {what}, which has no text to read")
    return _text_format(head, name)


def _text_format(head: bytes, name: str) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    suffix = PurePath(name).suffix.lower()
    if start.startswith(_HTML_STARTS):
        return "html"
    if start.startswith(b"<?xml"):
        return "html" if b"<html" in start else "xml"
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in _CODE:
        return "code"
    if _RECORDS.match(start):
        return "json"
    if _MAILBOX.match(start):
        return "mbox"
    first_lines = start.split(b"\n", 12)[:12]
    if sum(line.startswith(_MAIL_HEADERS) for line in first_lines) >= 3:
        return "eml"
    return "txt"


def _zip_format(path: Path, name: str) -> str:
    """Look into the archive's table before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            mimetype = (
                archive.read("mimetype")[:200].decode("ascii", "replace") if _has_mimetype(entries) else ""
            )
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise UnreadableFile(f"{name} is damaged ({error}): get an undamaged copy") from error
    if any(entry.flag_bits & 1 for entry in entries):
        raise PasswordProtected(f"{name} is protected by a password: save it without one")
    packed = sum(entry.compress_size for entry in entries)
    unpacked = sum(entry.file_size for entry in entries)
    if (
        len(entries) > _ENTRIES
        or unpacked > _ARCHIVE_BYTES
        or max((entry.file_size for entry in entries), default=0) > _ENTRY_BYTES
        or (unpacked > _RATIO_FROM and unpacked > _RATIO * packed)
    ):
        raise UnreadableFile(
            f"{name} would unpack to {unpacked / 1e6:.0f} MB in {len(entries)} parts, which looks like a bomb"
        )
    names = {entry.filename for entry in entries}
    for marker, kind in (
        ("word/document.xml", "docx"),
        ("ppt/presentation.xml", "pptx"),
        ("xl/workbook.xml", "xlsx"),
    ):
        if marker in names:
            return kind
    if any(entry.startswith("word/document") for entry in names):
        return "docx"  # by another name, as some programs write it
    if "epub" in mimetype or "META-INF/container.xml" in names:
        return "epub"
    if "opendocument" in mimetype:
        return _open_document_format(mimetype, name)
    raise UnsupportedFile(f"{name} is a zip archive of something else than a document: unpack it first")


def _has_mimetype(entries: list[zipfile.ZipInfo]) -> bool:
    return any(entry.filename == "mimetype" and entry.file_size < 1000 for entry in entries)


def _open_document_format(mimetype: str, name: str) -> str:
    for kind, ending in (("text", "odt"), ("spreadsheet", "ods"), ("presentation", "odp")):
        if f"opendocument.{kind}" in mimetype:
            return ending
    raise UnsupportedFile(f"{name} is an OpenDocument drawing, formula or database: save it as pdf")


def _ole_format(path: Path, name: str) -> str:
    """Old Office files, new ones under a password, and Outlook's messages are OLE containers."""
    try:
        with olefile.OleFileIO(path) as container:
            streams = {entry[0] for entry in container.listdir()}
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise UnreadableFile(f"{name} is damaged ({error}): get an undamaged copy") from error
    what = next((what for stream, what in _OLE_STREAMS if stream in streams), None)
    if what == "protected":
        raise PasswordProtected(f"{name} is protected by a password: save it without one")
    if what in ("xls", "msg"):
        return what
    raise UnsupportedFile(f"{name} is {what or 'in an old Office format: save it as docx, pptx or pdf'}")
