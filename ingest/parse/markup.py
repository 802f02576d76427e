"""html, xml, Markdown, docx and pptx -> elements; unstructured does most of it."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lxml import etree, html
from markdown import markdown  # type: ignore[import-untyped]

from ingest.errors import UnreadableFile
from ingest.parse.archive import PARSER
from ingest.parse.decode import decode, read_bytes
from ingest.parse.offline import partition_docx, partition_html, partition_pptx
from ingest.parse.tables import CELL_JOINT, rows_to_elements
from ingest.records import Element, ElementKind

_KINDS: dict[str, ElementKind] = {"Title": "title", "ListItem": "list", "CodeSnippet": "code"}
_SKIPPED = frozenset({"PageBreak", "PageNumber", "Image", "Footer", "Header"})
_NOT_CONTENT = "|".join(
    [f"//{tag}" for tag in "script style noscript template nav svg iframe object head".split()]
    + [
        "//comment()",  # unstructured drops a text that follows one
        "//body//*[@hidden]",  # not the body itself: its scripts show it when they are ready
        "//body//*[contains(translate(@style, ' ', ''), 'display:none')]",
        "//*[@role = 'navigation']",
        "//footer[not(ancestor::article or ancestor::section or ancestor::blockquote)]",
        "//li[count(*) = 1 and a/@hreflang]",  # the same page in other languages
    ]
)
"""What a reader of the page does not see, or not as its content."""
_KEPT_SHARE = 0.9
"""Less text than this share of what a plain walk finds means that unstructured lost some: it stops at a
depth of 256 and drops the rest without a word. Ordinary pages keep .95 and more (our run)."""
_ANCHOR = re.compile(r"\s*\{ ?[#/][^{}]*\}$")
"""`{ #name }` after a heading: where links lead, not text."""
_LANGUAGE = ["eng"]
"""Given so that unstructured does not guess; `ingest.language` does that later."""
_BLOCKS = frozenset(
    "p div li h1 h2 h3 h4 h5 h6 tr td th pre blockquote section article title br dd dt".split()
)
_NO_TITLE = re.compile(r"^(untitled|microsoft |powerpoint |word document|document\d*$)|^\W*$", re.IGNORECASE)
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WORD_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")


def read_html(text: str, name: str) -> list[Element]:
    """The page's title and content, without scripts, navigation and hidden text."""
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        page = html.document_fromstring(text.encode(), parser=parser)
    except (etree.LxmlError, ValueError) as error:
        raise UnreadableFile(f"{name} can't be read as html ({error})") from error
    if any("Excessive depth" in entry.message for entry in parser.error_log):
        raise UnreadableFile(f"{name} nests its tags too deep to be read whole: save it as text or pdf")
    title = " ".join((page.findtext(".//title") or "").split())
    for element in page.xpath(_NOT_CONTENT):
        if element.getparent() is not None:
            element.drop_tree()
    found = list(_convert(partition_html(text=etree.tostring(page, encoding="unicode"), languages=_LANGUAGE)))
    plain = list(_walk(page))
    if _size(found) < _KEPT_SHARE * _size(plain):
        found = plain
    return _under(title, found)


def read_markdown(text: str, name: str) -> list[Element]:
    """Headings by their depth; front matter (`--- … ---`) gives the title and is left out."""
    title = ""
    if text.startswith("---\n") and "\n---" in text[4:]:
        front, text = text[4:].split("\n---", 1)
        fields = dict(line.split(":", 1) for line in front.splitlines() if ":" in line)
        title = fields.get("title", "").strip().strip("\"'")
    page = markdown(text, extensions=["tables", "fenced_code"])
    found = read_html(page, name) if page.strip() else []
    return _under(title, [replace(element, text=_ANCHOR.sub("", element.text)) for element in found])


def read_docx(path: Path, _: str) -> list[Element]:
    """What unstructured finds, and after it what it passes over: footnotes, text boxes, form fields.

    Documents with macros, and templates, it refuses altogether: they give paragraphs only.
    """
    try:
        found = list(_convert(partition_docx(str(path), languages=_LANGUAGE)))
    except ValueError:
        found = []
    with zipfile.ZipFile(path) as archive:
        found += [Element("text", text) for text in _passed_over(archive, found)]
        title = _core_title(archive)
    return found if found and found[0].kind == "title" else _under(title, found)


def read_pptx(path: Path, _: str) -> list[Element]:
    """A slide is a page; speaker's notes belong to it."""
    return list(_convert(partition_pptx(str(path), languages=_LANGUAGE, include_slide_notes=True)))


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


def _under(title: str, found: list[Element]) -> list[Element]:
    """The elements under the document's title, unless they begin with it or there are none."""
    if not title or not found or found[0].text == title:
        return found
    return [Element("title", title), *found]


def _passed_over(archive: zipfile.ZipFile, found: list[Element]) -> Iterator[str]:
    """Paragraphs of a docx that are in none of the elements found, each once."""
    whole = _squeezed(" ".join(element.text for element in found))
    seen = {
        _squeezed(cell)
        for element in found
        for line in element.text.split("\n")
        for cell in line.split(CELL_JOINT)
    }
    for part in _WORD_PARTS:
        if part not in archive.namelist():
            continue
        for paragraph in etree.fromstring(archive.read(part), PARSER).iter(f"{_WORD}p"):
            if _is_contents(paragraph):
                continue
            text = "".join(_own_text(paragraph)).strip()
            key = _squeezed(text)
            if key and key not in seen and key not in whole:
                yield text
            seen.add(key)


def _is_contents(paragraph: Any) -> bool:
    """Whether it is a line of a table of contents: a link to a heading."""
    return any(
        (link.get(f"{_WORD}anchor") or "").startswith("_Toc") for link in paragraph.iter(f"{_WORD}hyperlink")
    )


def _own_text(paragraph: Any) -> Iterator[str]:
    """Text of a paragraph, without that of text boxes anchored in it: they are paragraphs themselves."""
    for run in paragraph.iter(f"{_WORD}t", f"{_WORD}tab", f"{_WORD}br"):
        if next(run.iterancestors(f"{_WORD}p")) is paragraph:
            yield (run.text or "") if run.tag == f"{_WORD}t" else " "


def _core_title(archive: zipfile.ZipFile) -> str:
    if "docProps/core.xml" not in archive.namelist():
        return ""
    title = etree.fromstring(archive.read("docProps/core.xml"), PARSER).findtext("{*}title") or ""
    return "" if _NO_TITLE.match(title) else " ".join(title.split())


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _size(elements: list[Element]) -> int:
    return sum(len(element.text) for element in elements)
