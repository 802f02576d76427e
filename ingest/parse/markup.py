"""Markdown and xml -> elements."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from lxml import etree
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from ingest.errors import UnreadableFile
from ingest.parse.archive import PARSER
from ingest.parse.decode import decode, read_bytes
from ingest.parse.html import read_html, under
from ingest.records import Element, ElementKind

_ANCHOR = re.compile(r"\s*\{ ?[#/][^{}]*\}$")
"""`{ #name }` after a heading: where links lead, not text."""
_ITEM = re.compile(r"[*+-]\s|\d{1,9}[.)]\s")


def read_markdown(text: str, name: str) -> list[Element]:
    """Headings by their depth; front matter (`--- … ---`) gives the title and is left out."""
    title = ""
    if text.startswith("---\n") and "\n---" in text[4:]:
        front, text = text[4:].split("\n---", 1)
        fields = dict(line.split(":", 1) for line in front.splitlines() if ":" in line)
        title = fields.get("title", "").strip().strip("\"'")
    page = _markdown().render(text)
    found = read_html(page, name) if page.strip() else []
    return under(title, [replace(element, text=_ANCHOR.sub("", element.text)) for element in found])


@lru_cache(1)
def _markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark").enable("table")
    reader.add_render_rule("code_block", _indented)
    return reader


def _indented(
    renderer: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    """Indented text is code, but an item indented too far for CommonMark is still an item."""
    text = tokens[at].content
    return _markdown().render(text) if _ITEM.match(text) else f"<pre>{escape(text)}</pre>"


def read_xml(path: Path, name: str) -> Iterator[Element]:
    """The text of every element that has any, without tags; nothing outside of the file is read.

    A number or a mark alone, `<label>(1)</label>`, is put before the text that follows it.
    """
    data = read_bytes(path, name)
    try:
        try:
            root = etree.fromstring(data, PARSER)
        except (etree.XMLSyntaxError, LookupError):
            text = decode(data, name)
            body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text
            root = etree.fromstring(body.encode(), PARSER)
    except etree.XMLSyntaxError as error:
        raise UnreadableFile(f"{name} is not well-formed xml ({error})") from error
    labels: list[str] = []
    for tag, piece in _xml_pieces(root):
        labels.append(piece)
        if any(map(str.isalpha, piece)):
            kind: ElementKind = "title" if tag in ("title", "titletext", "longtitle") else "text"
            yield Element(kind, " ".join(labels), depth=1 if kind == "title" else 0)
            labels = []
    if labels:
        yield Element("text", " ".join(labels))


def _xml_pieces(root: Any) -> Iterator[tuple[str, str]]:
    """Tag and text of elements, in order; one with text between its children is a sentence, kept whole."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if not isinstance(element.tag, str):  # comments, instructions
            continue
        mixed = any((child.tail or "").strip() for child in element)
        words = ("".join(_sentence(element)) if mixed else element.text or "").split()
        if words:
            yield str(etree.QName(element).localname).lower(), " ".join(words)
        if not mixed:
            waiting.extend(reversed(element))


def _sentence(element: Any) -> Iterator[str]:
    """All text inside of an element, with a space between children that have none."""
    for event, part in etree.iterwalk(element, events=("start", "end", "comment", "pi")):
        if event == "start":
            yield part.text or ""
        elif part is not element:
            yield part.tail or " "
