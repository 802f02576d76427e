"""odt, ods and odp -> elements, from the xml inside of their zip, without pandoc."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.errors import PasswordProtected
from ingest.parse.archive import xml_part
from ingest.parse.tables import rows_to_elements, sheet_to_elements
from ingest.records import Element, ElementKind

_OASIS = "{urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TEXT, _TABLE = f"{_OASIS}office:1.0}}", f"{_OASIS}text:1.0}}", f"{_OASIS}table:1.0}}"
_DRAW, _SHOW = f"{_OASIS}drawing:1.0}}", f"{_OASIS}presentation:1.0}}"
_STYLE = f"{_OASIS}style:1.0}}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_UNSEEN = frozenset(
    [
        f"{_TEXT}tracked-changes",  # what was deleted
        f"{_TEXT}table-of-content",
        f"{_OFFICE}annotation",
        f"{_OFFICE}forms",
        f"{_STYLE}header",
        f"{_STYLE}footer",
    ]
)
"""Text in them is not the document's, or stands in it again."""
_APART = frozenset([*_UNSEEN, f"{_TEXT}note", f"{_DRAW}text-box", f"{_TEXT}ruby-text"])
"""Not part of the paragraph around them: notes and boxes have paragraphs of their own."""
_SPACES = frozenset([f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"])
_ROW_GROUPS = frozenset(f"{_TABLE}table-{kind}" for kind in ("rows", "header-rows", "row-group"))
_HEADERS = frozenset({"header", "footer", "date-time", "page-number"})
_VALUES = [f"{_OFFICE}{kind}value" for kind in ("string-", "date-", "time-", "boolean-", "")]
_REPEATS = 50
"""Of a row or cell that is said to come again; empty ones fill the sheet, others fill memory."""


def read_odt(path: Path, name: str) -> Iterator[Element]:
    """Headings, paragraphs, lists and tables of a text document, under its title."""
    with zipfile.ZipFile(path) as archive:
        content = _content(archive, name)
        yield from _title(archive, name)
        yield from _blocks(content, _title_styles(content))


def read_ods(path: Path, name: str) -> Iterator[Element]:
    """Every sheet, its name as a heading; a sheet is a page."""
    with zipfile.ZipFile(path) as archive:
        sheets = _content(archive, name).iterfind(f".//{_OFFICE}spreadsheet/{_TABLE}table")
        for page, sheet in enumerate(sheets, 1):
            yield from sheet_to_elements(sheet.get(f"{_TABLE}name", ""), _rows(sheet), page)


def read_odp(path: Path, name: str) -> Iterator[Element]:
    """A slide is a page; speaker's notes belong to it."""
    with zipfile.ZipFile(path) as archive:
        slides = _content(archive, name).iterfind(f".//{_OFFICE}presentation/{_DRAW}page")
        yield from _title(archive, name)
        for page, slide in enumerate(slides, 1):
            yield from _blocks(slide, frozenset(), page)


def _content(archive: zipfile.ZipFile, name: str) -> Any:
    """Raises PasswordProtected: the parts are encrypted, the table of the zip does not say so."""
    manifest = "META-INF/manifest.xml"
    if manifest in archive.namelist():
        root = xml_part(archive, manifest, name)
        if next(root.iter("{*}encryption-data", "{*}keyinfo"), None) is not None:
            raise PasswordProtected(f"{name} is protected by a password: save it without one")
    return xml_part(archive, "content.xml", name)


def _title(archive: zipfile.ZipFile, name: str) -> Iterator[Element]:
    if "meta.xml" in archive.namelist():
        title = " ".join((xml_part(archive, "meta.xml", name).findtext(f".//{_TITLE}") or "").split())
        if title:
            yield Element("title", title)


def _title_styles(content: Any) -> frozenset[str]:
    """Names of the styles that mark a paragraph as the document's title."""
    derived = {
        style.get(f"{_STYLE}name")
        for style in content.iter(f"{_STYLE}style")
        if style.get(f"{_STYLE}parent-style-name") == "Title"
    }
    return frozenset({"Title", *derived})


def _blocks(root: Any, title_styles: frozenset[str], page: int | None = None) -> Iterator[Element]:
    """Headings, paragraphs, items and tables in their order."""
    for element in root.iter(f"{_TEXT}h", f"{_TEXT}p", f"{_TABLE}table"):
        above = list(element.iterancestors())
        tags = {parent.tag for parent in above}
        if f"{_TABLE}table" in tags or tags & _UNSEEN:
            continue
        if element.tag == f"{_TABLE}table":
            yield from rows_to_elements(_rows(element), page=page)
            continue
        shown_as = next(filter(None, (parent.get(f"{_SHOW}class") for parent in above)), None)
        text = _words(element)
        if not text or shown_as in _HEADERS:
            continue
        if element.tag == f"{_TEXT}h" and page is None:
            yield Element("title", text, depth=_number(element, f"{_TEXT}outline-level") - 1)
        elif element.get(f"{_TEXT}style-name") in title_styles:
            yield Element("title", text)
        elif shown_as == "title":
            yield Element("title", text, depth=1, page=page)
        else:
            kind: ElementKind = "list" if f"{_TEXT}list" in tags else "text"
            yield Element(kind, text, page=page)


def _rows(table: Any) -> Iterator[list[str]]:
    """The cells of a table's own rows, not of tables inside of it."""
    waiting = [table]
    while waiting:
        part = waiting.pop()
        if part.tag == f"{_TABLE}table-row":
            cells = [cell for each in part for cell in _cells(each)]
            yield from [cells] * (_repeats(part, "rows") if any(cells) else 1)
        elif part is table or part.tag in _ROW_GROUPS:
            waiting.extend(reversed(part))


def _cells(cell: Any) -> list[str]:
    if cell.tag == f"{_TABLE}covered-table-cell":
        return [""] * _repeats(cell, "columns")
    if cell.tag != f"{_TABLE}table-cell":
        return []
    text = " ".join(filter(None, map(_words, _paragraphs(cell))))
    shown = text or next((value for kind in _VALUES if (value := cell.get(kind))), "")
    return [shown] * _repeats(cell, "columns")


def _paragraphs(cell: Any) -> Iterator[Any]:
    for paragraph in cell.iter(f"{_TEXT}h", f"{_TEXT}p"):
        if not any(parent.tag in _UNSEEN for parent in paragraph.iterancestors()):
            yield paragraph


def _repeats(part: Any, kind: str) -> int:
    return min(_number(part, f"{_TABLE}number-{kind}-repeated"), _REPEATS)


def _number(element: Any, attribute: str) -> int:
    value = element.get(attribute, "1")
    return max(int(value), 1) if value.isdecimal() else 1


def _words(paragraph: Any) -> str:
    """Its text, without that of notes, boxes and comments in it."""
    found: list[str] = []
    walk = etree.iterwalk(paragraph, events=("start", "end"))
    for event, part in walk:
        if event == "end":
            found.append((part.tail or "") if part is not paragraph else "")
        elif part.tag in _APART:
            walk.skip_subtree()
        else:
            found += [" " if part.tag in _SPACES else "", part.text or ""]
    return " ".join("".join(found).split())
