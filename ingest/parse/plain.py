"""Text without markup, reStructuredText, rtf and source code -> elements."""

import re
from collections.abc import Iterator

from ingest.records import Element, ElementKind

_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:.<>_])\1{2,}$")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n+")
_TITLE = re.compile(r"^[^\n]{2,80}(?<![.!?:;,。！？।])$")
_CODE_LINES = 40
"""Lines in one element of source code."""


def read_text(text: str) -> Iterator[Element]:
    """Paragraphs are set apart by blank lines; a short first one that is no sentence is the title."""
    paragraphs = _PARAGRAPH.split(text.replace("\r\n", "\n").replace("\r", "\n").strip())
    for number, paragraph in enumerate(filter(str.strip, paragraphs)):
        kind: ElementKind = "title" if not number and _TITLE.match(paragraph) else "text"
        yield Element(kind, paragraph.strip("\n"))


def read_rst(text: str) -> Iterator[Element]:
    """As text, with underlined lines as headings; their depth is the order in which the marks came."""
    marks: list[str] = []
    for paragraph in _PARAGRAPH.split(text.replace("\r\n", "\n")):
        lines = [line for line in paragraph.split("\n") if line.strip()]
        if len(lines) > 2 and _UNDERLINE.match(lines[0]) and lines[0] == lines[2]:
            lines = lines[1:]  # a line above the heading as well
        if len(lines) > 1 and (mark := _UNDERLINE.match(lines[1])) and not _UNDERLINE.match(lines[0]):
            if mark[1] not in marks:
                marks.append(mark[1])
            yield Element("title", lines[0].strip(), depth=marks.index(mark[1]))
            lines = lines[2:]
        if lines and not all(line.startswith(".. _") for line in lines):
            yield Element("text", "\n".join(lines))


def read_rtf(text: str) -> Iterator[Element]:
    from striprtf.striprtf import rtf_to_text

    plain: str = rtf_to_text(text, errors="ignore")  # type: ignore[no-untyped-call]
    yield from read_text(plain.replace("\n", "\n\n"))


def read_code(text: str) -> Iterator[Element]:
    lines = text.splitlines()
    for start in range(0, len(lines), _CODE_LINES):
        block = "\n".join(lines[start : start + _CODE_LINES])
        if block.strip():
            yield Element("code", block)
