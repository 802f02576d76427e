"""A file -> elements. Choice by table on what the bytes are, not on what the name says."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ingest.errors import IngestError, NoText, UnreadableFile
from ingest.parse.decode import clean, decode
from ingest.parse.formats import format_of
from ingest.records import Element

PARSER_VERSION = "1"
"""Part of every version's id: raise it when the elements of a file change."""

FORMATS = (
    "pdf", "docx", "pptx", "xlsx", "xls", "csv", "tsv", "html", "md", "rst", "txt", "rtf", "eml", "epub",
    "odt", "xml", "json", "source code",
)  # fmt: skip
"""What can be read, as shown to people."""


def parse(path: Path, name: str) -> list[Element]:
    """Read a file, in this process: call it in one with limits (`ingest.worker`).

    Raises IngestError: the message names the file, says what is wrong and what to do. A file that
    gives no text is an error, never an empty list.
    """
    reader = _READERS[format_of(path, name)]
    try:
        elements = [
            replace(element, text=text)
            for element in reader(path, name)
            if (text := clean(element.text).strip())
        ]
    except (IngestError, MemoryError):
        raise
    except Exception as error:  # a parser's own: whatever a damaged file makes of it
        raise UnreadableFile(f"{name} can't be read ({type(error).__name__}: {error})") from error
    if not elements:
        raise NoText(f"{name} holds no text that can be read: leave it out, or save it in another format")
    return elements


Reader = Callable[[Path, str], Iterable[Element]]


def _pdf(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.pdf import read_pdf

    return read_pdf(path, name)


def _docx(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.markup import read_docx

    return read_docx(path)


def _pptx(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.markup import read_pptx

    return read_pptx(str(path))


def _xlsx(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.tables import read_xlsx

    return read_xlsx(str(path))


def _xls(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.tables import read_xls

    return read_xls(str(path), name)


def _csv(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.tables import read_csv

    return read_csv(decode(path.read_bytes(), name))


def _html(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.markup import read_html

    return read_html(decode(path.read_bytes(), name), name)


def _md(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.markup import read_markdown

    return read_markdown(decode(path.read_bytes(), name), name)


def _xml(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.markup import read_xml

    data = path.read_bytes()
    return read_xml(data, decode(data, name), name)


def _epub(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.books import read_epub

    return read_epub(path, name)


def _odt(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.books import read_odt

    return read_odt(path, name)


def _eml(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.mail import read_mail

    return read_mail(path, name)


def _rst(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.plain import read_rst

    return read_rst(decode(path.read_bytes(), name))


def _rtf(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.plain import read_rtf

    return read_rtf(path.read_bytes().decode("latin-1"))


def _code(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.plain import read_code

    return read_code(decode(path.read_bytes(), name))


def _txt(path: Path, name: str) -> Iterable[Element]:
    from ingest.parse.plain import read_text

    return read_text(decode(path.read_bytes(), name))


_READERS: dict[str, Reader] = {
    "pdf": _pdf,
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "xls": _xls,
    "csv": _csv,
    "html": _html,
    "md": _md,
    "xml": _xml,
    "epub": _epub,
    "odt": _odt,
    "eml": _eml,
    "rst": _rst,
    "rtf": _rtf,
    "code": _code,
    "txt": _txt,
}
