"""html, xml, Markdown, docx and pptx -> elements; unstructured does most of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from lxml import etree, html

from ingest.errors import UnreadableFile
from ingest.parse.offline import partition_docx, partition_html, partition_md, partition_pptx
from ingest.parse.tables import rows_to_elements
from ingest.records import Element, ElementKind

_KINDS: dict[str, ElementKind] = {"Title": "title", "ListItem": "list", "CodeSnippet": "code"}
_SKIPPED = frozenset({"PageBreak", "PageNumber", "Image", "Footer", "Header"})
_NOT_CONTENT = ("script", "style", "noscript", "template", "nav", "svg", "iframe", "object", "head")
_KEPT_SHARE = 0.5
"""Less text than this share of what a plain walk finds means that unstructured lost some: it stops at a
depth of 256 and drops the rest without a word."""
_ANCHOR = re.compile(r"\s*\{ ?#[\w-]+ ?\}$")
"""`{ #name }` after a heading: where links lead, not text."""
_LANGUAGE = ["eng"]
"""Given so that unstructured does not guess; `ingest.language` does that later."""
_BLOCKS = frozenset(
    "p div li h1 h2 h3 h4 h5 h6 tr td th pre blockquote section article title br dd dt".split()
)


def read_html(text: str, name: str) -> list[Element]:
    """The page's title and content, without scripts and navigation."""
    try:
        page = html.document_fromstring(
            text.encode(), parser=html.HTMLParser(huge_tree=True, encoding="utf-8")
        )
    except (etree.LxmlError, ValueError) as error:
        raise UnreadableFile(f"{name} can't be read as html ({error})") from error
    title = (page.findtext(".//title") or "").strip()
    for element in page.xpath("|".join(f"//{tag}" for tag in _NOT_CONTENT)):
        if element.getparent() is not None:
            element.drop_tree()
    found = list(_convert(partition_html(text=etree.tostring(page, encoding="unicode"), languages=_LANGUAGE)))
    plain = list(_walk(page))
    if _size(found) < _KEPT_SHARE * _size(plain):
        found = plain
    if title and title != next((element.text for element in found), ""):
        found.insert(0, Element("title", " ".join(title.split())))
    return found


def read_markdown(text: str) -> list[Element]:
    """Headings by their depth; front matter (`--- … ---`) gives the title and is left out."""
    title = ""
    if text.startswith("---\n") and "\n---" in text[4:]:
        front, text = text[4:].split("\n---", 1)
        fields = dict(line.split(":", 1) for line in front.splitlines() if ":" in line)
        title = fields.get("title", "").strip().strip("\"'")
    found = list(_convert(partition_md(text=text, languages=_LANGUAGE))) if text.strip() else []
    found = [replace(element, text=_ANCHOR.sub("", element.text)) for element in found]
    if title and title != next((element.text for element in found), ""):
        found.insert(0, Element("title", title))
    return found


def read_docx(path: str) -> list[Element]:
    return list(_convert(partition_docx(path, languages=_LANGUAGE)))


def read_pptx(path: str) -> list[Element]:
    """A slide is a page; speaker's notes belong to it."""
    return list(_convert(partition_pptx(path, languages=_LANGUAGE, include_slide_notes=True)))


def read_xml(data: bytes, text: str, name: str) -> Iterator[Element]:
    """The text of every element that has any, without tags; nothing outside of the file is read."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        try:
            root = etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, LookupError):
            body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text
            root = etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableFile(f"{name} is not well-formed xml ({error})") from error
    for element in root.iter():
        if not isinstance(element.tag, str) or not (element.text or "").strip():
            continue
        kind: ElementKind = "title" if _tag(element) in ("title", "titletext", "longtitle") else "text"
        whole = " ".join("".join(element.itertext() if _is_mixed(element) else [element.text or ""]).split())
        if whole and not _inside_mixed(element):
            yield Element(kind, whole, depth=1 if kind == "title" else 0)


def _tag(element: Any) -> str:
    return str(etree.QName(element).localname).lower()


def _is_mixed(element: Any) -> bool:
    """Whether text stands between its children, as in a sentence with emphasis."""
    return any((child.tail or "").strip() for child in element)


def _inside_mixed(element: Any) -> bool:
    return any(_is_mixed(above) and (above.text or "").strip() for above in element.iterancestors())


def _convert(elements: Iterable[Any]) -> Iterator[Element]:
    """unstructured's elements -> ours."""
    for element in elements:
        text = element.text.strip()
        if element.category in _SKIPPED or not text:
            continue
        page = element.metadata.page_number
        if element.category == "Table" and element.metadata.text_as_html:
            yield from rows_to_elements(_rows(element.metadata.text_as_html), page=page)
            continue
        kind = _KINDS.get(element.category, "text")
        depth = element.metadata.category_depth or 0
        yield Element(kind, text, depth=depth if kind == "title" else 0, page=page)


def _rows(table: str) -> Iterator[list[str]]:
    for row in html.fragment_fromstring(table, create_parent=True).iter("tr"):
        yield [cell.text_content() for cell in row.iter("td", "th")]


def _walk(page: Any) -> Iterator[Element]:
    """Text between block elements, without recursion: for pages that are nested too deep."""
    words: list[str] = []
    for event, element in etree.iterwalk(page, events=("start", "end")):
        if element.tag in _BLOCKS and words:
            yield Element("text", " ".join(words))
            words = []
        piece = element.text if event == "start" else element.tail
        if isinstance(element.tag, str) or event == "end":
            words += (piece or "").split()
    if words:
        yield Element("text", " ".join(words))


def _size(elements: list[Element]) -> int:
    return sum(len(element.text) for element in elements)
