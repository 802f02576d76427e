"""pptx -> elements, from the xml inside of its zip."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.errors import UnreadableFile
from ingest.parse.archive import xml_part
from ingest.parse.ooxml import child, local, related
from ingest.parse.tables import rows_to_elements
from ingest.records import Element, ElementKind

_SHOW = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_RUNNING = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})
"""Placeholders of what stands on every slide: date, foot, head, number."""
_BULLETS = frozenset({"buChar", "buAutoNum", "buBlip"})
_Size = tuple[int, int]
"""Width and height, in the units of the format."""
_ENDLESS: _Size = (1 << 60, 1 << 60)
_NO_SIZE = 100
"""Hundredths of a point."""
_RELATED = ("diagramData", "notesSlide")
"""Parts with text of a slide, in the order in which they follow it."""


def read_pptx(path: Path, name: str) -> Iterator[Element]:
    """A slide is a page: its title, then its shapes in the order in which they are read out, diagrams, notes.

    Raises UnreadableFile.
    """
    with zipfile.ZipFile(path) as archive:
        show = xml_part(archive, _SHOW, name)
        order = child(show, "sldIdLst")
        if order is None:
            raise UnreadableFile(f"{name} has no slides: leave it out")
        bounds = child(show, "sldSz")
        size = (int(bounds.get("cx")), int(bounds.get("cy"))) if bounds is not None else _ENDLESS
        slides = {id_: part for id_, kind, part in related(archive, _SHOW, name) if kind == "slide"}
        for page, each in enumerate(order, 1):
            part = slides.get(next((id_ for key, id_ in each.attrib.items() if key.endswith("}id")), ""))
            if part is not None:
                yield from _slide(archive, part, name, page, size)


def _slide(archive: zipfile.ZipFile, part: str, name: str, page: int, size: _Size) -> Iterator[Element]:
    slide = xml_part(archive, part, name)
    found = list(_shapes(slide, page, size))
    if slide.get("show") in ("0", "false"):  # in a show; who opens the file sees it, as hidden
        found = [replace(element, unseen=True) for element in found]
    found.sort(key=lambda element: element.kind != "title")
    yield from found
    beside = related(archive, part, name)
    for wanted in _RELATED:
        for _, kind, other in beside:
            if kind == wanted:
                yield from _shapes(xml_part(archive, other, name), page)


def _shapes(root: Any, page: int, size: _Size | None = None) -> Iterator[Element]:
    """Text of shapes, groups and tables; of a diagram its points. `size` is a slide's, else None."""
    for part in root.iter("{*}txBody", "{*}tbl", "{*}t"):
        kind = local(part)
        if next(part.iterancestors("{*}Fallback"), None) is not None:
            continue  # the same again for old programs
        if kind == "tbl":
            rows = ([_words(cell) for cell in row.iter("{*}tc")] for row in part.iter("{*}tr"))
            yield from rows_to_elements(rows, page=page)
        elif kind == "txBody" and local(part.getparent()) != "tc":
            yield from _body(part, page, size)
        elif kind == "t" and local(part.getparent()) == "pt" and (text := _words(part)):
            yield Element("list", text, page=page)  # of a diagram


def _body(body: Any, page: int, size: _Size | None) -> Iterator[Element]:
    unseen = size is not None and _is_off(body.getparent(), size)
    placeholder = next(body.getparent().iterfind("*/{*}nvPr/{*}ph"), None)
    kind = "" if placeholder is None else placeholder.get("type", "obj")
    if kind in _RUNNING:
        return
    if kind in _TITLES and size is not None:
        text = " ".join(_words(body).split())
        if text:
            yield Element("title", text, page=page, unseen=unseen)
        return
    for paragraph in body.iterfind("{*}p"):
        if text := _words(paragraph):
            hidden = unseen or _has_no_size(paragraph)
            yield Element(_kind(paragraph, kind), text, page=page, unseen=hidden)


def _is_off(shape: Any, size: _Size) -> bool:
    """Whether a shape is hidden, or lies beside the slide."""
    named = next(shape.iterfind("*/{*}cNvPr"), None)
    if named is not None and named.get("hidden") in ("1", "true"):
        return True
    place = next(shape.iterfind("{*}spPr/{*}xfrm"), None)
    if place is None or any(local(around) == "grpSp" for around in shape.iterancestors()):
        return False  # at its layout's place, or counted from its group's
    begin, extent = child(place, "off"), child(place, "ext")
    if begin is None or extent is None:
        return False
    return any(
        int(begin.get(at, 0)) + int(extent.get(length, 0)) <= 0 or int(begin.get(at, 0)) >= end
        for at, length, end in (("x", "cx", size[0]), ("y", "cy", size[1]))
    )


def _has_no_size(paragraph: Any) -> bool:
    sizes = [run.get("sz", "") for run in paragraph.iterfind("{*}r/{*}rPr")]
    return bool(sizes) and all(size.isdecimal() and int(size) <= _NO_SIZE for size in sizes)


def _kind(paragraph: Any, placeholder: str) -> ElementKind:
    """Points have bullets of their own, or those of their placeholder."""
    about = child(paragraph, "pPr")
    marks = {local(each) for each in about} if about is not None else set()
    has_bullet = bool(marks & _BULLETS) or (placeholder == "obj" and "buNone" not in marks)
    return "list" if has_bullet else "text"


def _words(part: Any) -> str:
    """All text inside; paragraphs and breaks begin lines."""
    words = ((each.text or "") if local(each) == "t" else "\n" for each in part.iter("{*}t", "{*}br", "{*}p"))
    return "\n".join(filter(None, (" ".join(line.split()) for line in "".join(words).split("\n"))))
