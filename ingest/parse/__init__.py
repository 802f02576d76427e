"""A file -> elements. Choice by table on what the bytes are, not on what the name says."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from ingest.errors import IngestError, NoText, UnreadableFile
from ingest.parse.decode import clean, decode, read_bytes
from ingest.parse.formats import format_of
from ingest.records import Element

PARSER_VERSION = "3"
"""Part of every version's id: raise it when the elements of a file change."""

FORMATS = tuple(
    "pdf, docx, pptx, xlsx, xls, odt, ods, odp, csv, tsv, html, md, rst, org, txt, rtf, eml, msg, mbox, "
    "epub, xml, json, jsonl, source code".split(", ")
)
"""What can be read, as shown to people."""

Takes = Literal["text", "file", "mail"]
"""What a reader is given before the file's name: all of its text, its path, or its path and whether to
read what is attached."""

_READERS: dict[str, tuple[str, str, Takes]] = {
    "pdf": ("pdf", "read_pdf", "file"),
    "docx": ("word", "read_docx", "file"),
    "pptx": ("slides", "read_pptx", "file"),
    "xlsx": ("tables", "read_xlsx", "file"),
    "xls": ("tables", "read_xls", "file"),
    "odt": ("opendocument", "read_odt", "file"),
    "ods": ("opendocument", "read_ods", "file"),
    "odp": ("opendocument", "read_odp", "file"),
    "csv": ("tables", "read_csv", "file"),
    "html": ("html", "read_html", "text"),
    "md": ("markup", "read_markdown", "text"),
    "rst": ("plain", "read_rst", "text"),
    "org": ("org", "read_org", "text"),
    "txt": ("plain", "read_text", "text"),
    "rtf": ("plain", "read_rtf", "file"),
    "code": ("plain", "read_code", "text"),
    "xml": ("markup", "read_xml", "file"),
    "json": ("objects", "read_json", "text"),
    "jsonl": ("objects", "read_jsonl", "file"),
    "epub": ("books", "read_epub", "file"),
    "eml": ("mail", "read_eml", "mail"),
    "mbox": ("mail", "read_mbox", "mail"),
    "msg": ("outlook", "read_msg", "mail"),
}
"""Format -> module and function, imported when the first such file comes, and what the function takes."""


def parse(path: Path, name: str) -> list[Element]:
    """All of `elements_of`."""
    return list(elements_of(path, name))


def elements_of(path: Path, name: str, *, with_attachments: bool = True) -> Iterator[Element]:
    """Read a file, in this process: call it in one with limits (`ingest.worker`).

    Raises IngestError: the message names the file, says what is wrong and what to do. A file that
    gives no text is an error, never no elements.
    """
    is_empty = True
    try:
        for element in _read(path, name, with_attachments):
            if text := clean(element.text).strip():
                is_empty = False
                yield replace(element, text=text)
    except (IngestError, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableFile(
            f"{name} nests its parts too deep to be read: flatten it, or save it as text"
        ) from error
    except Exception as error:  # a parser's own: whatever a damaged file makes of it
        said = str(error).replace(str(path), name)
        raise UnreadableFile(f"{name} can't be read ({type(error).__name__}: {said})") from error
    if is_empty:
        raise NoText(f"{name} holds no text that can be read: leave it out, or save it in another format")


def _read(path: Path, name: str, with_attachments: bool) -> Iterable[Element]:
    module, function, takes = _READERS[format_of(path, name)]
    reader = getattr(import_module(f"ingest.parse.{module}"), function)
    if takes == "text":
        found: Iterable[Element] = reader(decode(read_bytes(path, name), name), name)
    elif takes == "mail":
        found = reader(path, name, with_attachments)
    else:
        found = reader(path, name)
    return found
