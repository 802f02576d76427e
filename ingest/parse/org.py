"""Emacs' org -> elements: headings by their stars, lists, tables, code; settings and drawers left out."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from textwrap import dedent

from ingest.parse.plain import unwrap, wrap_width
from ingest.parse.tables import rows_to_elements
from ingest.records import Element

_HEADING = re.compile(r"^(\*+)\s+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)\s+)?(?:\[#.\]\s+)?(\S.*)$")
_TAGS = re.compile(r":[\w@#%:]+:")
_TITLE = re.compile(r"^#\+title:\s*(\S.*)$", re.IGNORECASE)
_BEGIN = re.compile(r"^\s*#\+begin_(\w+)", re.IGNORECASE)
_END = re.compile(r"^\s*(?:#\+end_(\w+)|:end:\s*$)", re.IGNORECASE)
_DRAWER = re.compile(r"^\s*:[\w-]+:\s*$")
_LEFT_OUT = re.compile(r"^\s*#(\+[\w-]+(\[.*\])?:|\s|$)", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:[-+]|\s\*|\d+[.)])\s+(?:\[[ xX-]\]\s+)?")
_ROW = re.compile(r"^\s*\|")
_RULE = re.compile(r"^\s*\|[-+]+\|?\s*$")
_FIXED = re.compile(r"^\s*: ?")
_FIXED_LINE = re.compile(r"^\s*:( |$)")
_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]")
_CODE_BLOCKS = frozenset({"src", "example", "export"})


def read_org(text: str, _: str = "") -> Iterator[Element]:
    """The document's title is at the top, headings below it."""
    lines = text.split("\n")
    width = wrap_width(text)
    titles = [found[1] for line in lines if (found := _TITLE.match(line))]
    if titles:
        yield Element("title", _plain(" ".join(titles)))
    for piece in _pieces(lines):
        yield from _elements(piece, width, depth=1 if titles else 0)


def _pieces(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together: a block, a drawer, a table, an item, a paragraph."""
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if found := _END.match(line):
            ends.setdefault((found[1] or "").lower(), []).append(number)
    at = 0
    while at < len(lines):
        end = _end(lines, at, ends)
        if lines[at].strip():
            yield lines[at:end]
        at = end


def _end(lines: list[str], at: int, ends: dict[str, list[int]]) -> int:
    """Where the piece that begins at a line ends; a block that nothing closes is that line alone."""
    line = lines[at]
    block = _BEGIN.match(line)
    if block or _DRAWER.match(line):
        known = ends.get(block[1].lower() if block else "", [])
        next_end = bisect_right(known, at)
        return known[next_end] + 1 if next_end < len(known) else at + 1
    if _is_single(line):
        return at + 1
    for same in (_ROW, _FIXED_LINE):
        if same.match(line):
            return next((end for end in range(at, len(lines)) if not same.match(lines[end])), len(lines))
    end = at + 1
    while end < len(lines) and not _starts(lines[end]):
        end += 1
    return end


def _is_single(line: str) -> bool:
    return not line.strip() or bool(_HEADING.match(line) or _LEFT_OUT.match(line))


def _starts(line: str) -> bool:
    """Whether a line can't go on with the paragraph or item above it."""
    return _is_single(line) or any(mark.match(line) for mark in (_BEGIN, _DRAWER, _ROW, _FIXED_LINE, _ITEM))


def _elements(lines: list[str], width: int, depth: int) -> Iterator[Element]:
    first = lines[0]
    if (block := _BEGIN.match(first)) and len(lines) > 1:
        if block[1].lower() in _CODE_BLOCKS:
            yield Element("code", dedent("\n".join(lines[1:-1])))
        elif block[1].lower() != "comment":
            yield from read_org("\n".join(lines[1:-1]))
    elif _ROW.match(first):
        rows = ([_plain(cell) for cell in _cells(line)] for line in lines if not _RULE.match(line))
        yield from rows_to_elements(rows)
    elif _FIXED_LINE.match(first):
        yield Element("code", "\n".join(_FIXED.sub("", line, count=1) for line in lines))
    elif heading := _HEADING.match(first):
        yield Element("title", _plain(_untagged(heading[2])), depth=depth + len(heading[1]) - 1)
    elif item := _ITEM.match(first):
        yield Element("list", _plain(" ".join([first[item.end() :], *map(str.strip, lines[1:])])))
    elif not _LEFT_OUT.match(first) and not (_DRAWER.match(first) and len(lines) > 1):
        yield Element("text", _plain(unwrap("\n".join(map(str.strip, lines)), width)))


def _untagged(heading: str) -> str:
    """Without `:these:tags:` at its end."""
    words, _, last = heading.rstrip().rpartition(" ")
    return words.rstrip() if _TAGS.fullmatch(last) else heading


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _plain(text: str) -> str:
    """A link is its words, or its target where it has none."""
    return _LINK.sub(lambda link: link[2] or link[1], text)
