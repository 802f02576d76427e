"""Text without markup, reStructuredText, rtf and source code -> elements."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

from ingest.parse.decode import read_bytes
from ingest.records import Element

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n+")
_TITLE = re.compile(r"^[^\n]{2,80}(?<![.!?:;,。！？।])$")
_MARKED = re.compile(r"^(#{1,6})[^\S\n]+(\S[^\n]*)$")
_BULLET = re.compile(r"\s|[-*+•>|]|\(?\w{1,3}[.)]\s")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_WIDEST = 90
"""Lines that were wrapped for reading are no longer (characters)…"""
_NARROWEST = 45
"""…and no shorter, or their breaks mean something: verse, addresses."""
_WRAP_SLACK = 8
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:.<>_])\1{2,}$")
_DIRECTIVE = re.compile(r"^\.\.\s+([\w:-]+)::[^\S\n]*(.*)$")
_OPTION = re.compile(r"^\s+:[\w-]+:")
_CODE_DIRECTIVES = frozenset({"code-block", "code", "sourcecode", "parsed-literal", "literalinclude"})
_CODE_LINES = 40
"""Lines in one element of source code."""


def read_text(text: str, _: str = "") -> Iterator[Element]:
    """Paragraphs are set apart by blank lines; a short first one that is no sentence is the title, and so
    are lines marked as in Markdown."""
    width = wrap_width(text)
    for number, paragraph in enumerate(filter(str.strip, _PARAGRAPH.split(text.strip()))):
        if marked := _MARKED.match(paragraph):
            yield Element("title", marked[2], depth=len(marked[1]) - 1)
        elif not number and _TITLE.match(paragraph):
            yield Element("title", paragraph)
        else:
            yield Element("text", unwrap(paragraph.strip("\n"), width))


def wrap_width(text: str) -> int:
    """The column at which the lines of a text were wrapped; 0 if they were not."""
    lengths = [len(line) for line in text.split("\n") if line.strip()]
    fitting = [length for length in lengths if length <= _WIDEST]
    width = max(fitting, default=0)
    return width if width >= _NARROWEST and len(fitting) * 10 > len(lengths) * 9 else 0


def unwrap(paragraph: str, width: int) -> str:
    """Join the lines that end only because the next word did not fit into `width`.

    >>> unwrap("Either the well was very deep, or she fell\\nvery slowly.\\n- a list", 46)
    'Either the well was very deep, or she fell very slowly.\\n- a list'
    """
    lines = paragraph.split("\n")
    text = lines[0]
    for above, line in pairwise(lines):
        if not width or _BULLET.match(line) or not line.strip():
            text += "\n" + line
        elif _UNSPACED.match(line):  # any character could have stood in the line above
            text += line if len(above) + 2 > width else "\n" + line
        else:
            full = len(above.rstrip()) + 1 + len(line.split(maxsplit=1)[0]) > width - _WRAP_SLACK
            text = text.rstrip() + " " + line if full else text + "\n" + line
    return text


def read_rst(text: str, _: str = "") -> Iterator[Element]:
    """As text, with underlined lines as headings; their depth is the order in which the styles came."""
    styles: list[tuple[str, bool]] = []
    width = wrap_width(text)
    in_code = False
    code: list[str] = []
    for paragraph in filter(str.strip, _PARAGRAPH.split(text)):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        if in_code and lines[0][0].isspace():
            code.append("\n".join(lines))
            continue
        if code:
            yield Element("code", dedent("\n\n".join(code)))
            code = []
        overlined = len(lines) > 2 and bool(_UNDERLINE.match(lines[0])) and lines[0] == lines[2]
        lines = lines[1:] if overlined else lines
        if len(lines) > 1 and (mark := _UNDERLINE.match(lines[1])) and not _UNDERLINE.match(lines[0]):
            style = (mark[1], overlined)
            if style not in styles:
                styles.append(style)
            yield Element("title", lines[0].strip(), depth=styles.index(style))
            lines = lines[2:]
        lines, in_code = _without_directive(lines)
        in_code = in_code or (bool(lines) and lines[-1].endswith("::"))
        if lines:
            yield Element("text", unwrap("\n".join(lines), width))
    if code:
        yield Element("code", dedent("\n\n".join(code)))


def _without_directive(lines: list[str]) -> tuple[list[str], bool]:
    """The lines without `.. name::`, its options and link targets; and whether it announces code."""
    lines = [line for line in lines if not line.startswith(".. _")]
    if not lines or not (directive := _DIRECTIVE.match(lines[0])):
        return lines, False
    rest = [line for line in lines[1:] if not _OPTION.match(line)]
    if directive[1] in _CODE_DIRECTIVES:
        return rest, True
    return ([directive[2]] if directive[2] and not directive[2].startswith(":") else []) + rest, False


def read_rtf(path: Path, name: str) -> Iterator[Element]:
    yield from rtf_paragraphs(read_bytes(path, name))


def rtf_paragraphs(data: bytes) -> Iterator[Element]:
    from striprtf.striprtf import rtf_to_text

    plain: str = rtf_to_text(data.decode("latin-1"), errors="ignore")  # type: ignore[no-untyped-call]
    yield from read_text(plain.replace("\n", "\n\n"))


def read_code(text: str, _: str = "") -> Iterator[Element]:
    lines = text.splitlines()
    for start in range(0, len(lines), _CODE_LINES):
        block = "\n".join(lines[start : start + _CODE_LINES])
        if block.strip():
            yield Element("code", block)
