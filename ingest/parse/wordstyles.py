"""Styles of docx -> what a paragraph is, and whether anybody sees a run of its text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ingest.parse.numbering import Numbered, Numbering
from ingest.parse.ooxml import child, local, value
from ingest.records import ElementKind

_HEADING = re.compile(r"heading (\d)")
_CONTENTS = re.compile(r"toc \d|toc heading|table of figures|index \d")
_CODE = re.compile(r"\bcode\b|preformatted|verbatim|listing")
_BODY_LEVEL = 9
"""Outline level of what is no heading."""
_NO_SIZE = 2
"""Half points."""


@dataclass(frozen=True, slots=True)
class Style:
    kind: ElementKind = "text"
    depth: int = 0
    is_contents: bool = False
    """A line of a table of contents."""
    numbered: Numbered | None = None
    is_hidden: bool = False


def read_styles(root: Any, numbering: Numbering) -> dict[str, Style]:
    """Id -> what a paragraph of that style is; names are English in every language of Word."""
    declared = {value(style, "styleId"): style for style in root.iter("{*}style")}
    known: dict[str, Style] = {}
    for id_ in declared:
        chain = [id_]
        while (above := child(declared[chain[-1]], "basedOn")) is not None:
            if (parent := value(above)) not in declared or parent in chain:
                break
            chain.append(parent)
        found = Style()
        for each in reversed(chain):
            found = _declared(declared[each], found, numbering)
        known[id_] = found
    return known


def _declared(style: Any, above: Style, numbering: Numbering) -> Style:
    about = child(style, "pPr")
    numbered = above.numbered
    if about is not None:
        numbered = numbering.of(about, numbered, value(style, "styleId"))
    vanish = child(letters, "vanish") if (letters := child(style, "rPr")) is not None else None
    above = replace(above, is_hidden=above.is_hidden if vanish is None else _is_on(vanish))
    name = value(child(style, "name")).casefold()
    if heading := _HEADING.fullmatch(name):
        return Style("title", int(heading[1]) - 1, numbered=numbered)
    if name in ("title", "subtitle"):
        return Style("title", 0 if name == "title" else 1, numbered=numbered)
    if _CONTENTS.fullmatch(name):
        return Style(is_contents=True)
    found = Style("code") if _CODE.search(name) else Style("list") if name.startswith("list") else above
    return found if about is None else as_told(about, found, numbered)


def as_told(about: Any, style: Style, numbered: Numbered | None) -> Style:
    """As a paragraph's or style's own properties change it: its level in the outline, and its list."""
    style = replace(style, numbered=numbered)
    level = value(child(about, "outlineLvl"))
    if level.isdecimal():
        depth = int(level)
        return (
            replace(style, kind="title", depth=depth) if depth < _BODY_LEVEL else replace(style, kind="text")
        )
    if style.kind == "text" and numbered and numbered.list != "0":
        return replace(style, kind="list")
    return style


def hides(run: Any, style: Style, styles: Mapping[str, Style]) -> bool:
    """Whether nobody sees the text of a run in a paragraph of `style`: hidden, no size, white on white."""
    about = child(run, "rPr")
    if about is None:
        return style.is_hidden
    vanish = child(about, "vanish")
    if vanish is not None:
        return _is_on(vanish)
    if style.is_hidden or styles.get(value(child(about, "rStyle")), Style()).is_hidden:
        return True
    size = value(child(about, "sz"))
    if size.isdecimal() and int(size) <= _NO_SIZE:
        return True
    return value(child(about, "color")).upper() == "FFFFFF" and not _has_background(run, about)


def _is_on(told: Any) -> bool:
    return value(told) not in ("0", "false", "off")


def _has_background(run: Any, about: Any) -> bool:
    """Whether something may be behind a run: a colour of its own, of its paragraph, cell, table or box."""
    if child(about, "shd") is not None or child(about, "highlight") is not None:
        return True
    for around in run.iterancestors():
        kind = local(around)
        if kind in ("txbxContent", "document"):
            return kind == "txbxContent" or child(around, "background") is not None
        told = child(around, f"{kind}Pr") if kind in ("p", "tc", "tbl") else None
        if told is not None and (child(told, "shd") is not None or child(told, "tblStyle") is not None):
            return True
    return False
