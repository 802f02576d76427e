"""html -> elements: what a reader of the page sees, in one walk over lxml's tree."""

from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from ingest.errors import UnreadableFile
from ingest.parse.tables import rows_to_elements
from ingest.records import Element, ElementKind

_UNSEEN = frozenset("script style noscript template nav svg iframe object head".split())
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hr html legend li main ol optgroup option p section summary table "
    "tbody td tfoot th thead tr ul".split()
)
"""Text before, in and after them is apart; all others are part of a sentence."""
_KINDS: dict[str, tuple[ElementKind, int]] = {f"h{depth}": ("title", depth - 1) for depth in range(1, 7)}
_KINDS["li"] = ("list", 0)
_LAYOUT = frozenset("table pre h1 h2 h3 h4 h5 h6 form".split())
"""A table with one of them in it arranges a page, and is read as blocks."""
_LAYOUT_CELL_BLOCKS = 4
"""So is one with a cell of as many paragraphs."""
_BREAK = "\0"
"""Stands for <br> until white space is closed up; never in a page."""


def read_html(text: str, name: str) -> list[Element]:
    """The page's title and content, without scripts, navigation and hidden text.

    Raises UnreadableFile for a page that lxml can't read whole.
    """
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        page = html.document_fromstring(text.encode(), parser=parser)
    except (etree.LxmlError, ValueError) as error:
        raise UnreadableFile(f"{name} can't be read as html ({error})") from error
    if any("Excessive depth" in entry.message for entry in parser.error_log):
        raise UnreadableFile(f"{name} nests its tags too deep to be read whole: save it as text or pdf")
    title = " ".join((page.findtext(".//title") or "").split())
    return under(title, list(_Page().read(page)))


def under(title: str, found: list[Element]) -> list[Element]:
    """The elements under the document's title, unless they begin with it or there are none."""
    if not title or not found or found[0].text == title:
        return found
    return [Element("title", title), *found]


class _Page:
    """The walk, and what it has in hand: the words since the last block began."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._kinds: list[tuple[ElementKind, int]] = [("text", 0)]
        """Of the block that is open, and of those around it that have one."""

    def read(self, page: Any) -> Iterator[Element]:
        walk = etree.iterwalk(page, events=("start", "end", "comment", "pi"))
        for event, part in walk:
            if event == "start":
                if _is_unseen(part):
                    walk.skip_subtree()
                elif part.tag == "pre" or (part.tag == "table" and _is_data(part)):
                    yield from self._flush()
                    yield from _whole(part)
                    walk.skip_subtree()
                else:
                    yield from self._open(part)
                continue
            if event == "end":
                yield from self._close(part)
            if part.tail and part is not page:
                self._words.append(part.tail)
        yield from self._flush()

    def _open(self, part: Any) -> Iterator[Element]:
        if _is_block(part.tag):
            yield from self._flush()
            if part.tag in _KINDS:
                self._kinds.append(_KINDS[part.tag])
        elif part.tag == "br":
            self._words.append(_BREAK)
        if part.text:
            self._words.append(part.text)

    def _close(self, part: Any) -> Iterator[Element]:
        if not _is_block(part.tag):
            return
        yield from self._flush()
        if part.tag in _KINDS and not _is_unseen(part):
            self._kinds.pop()

    def _flush(self) -> Iterator[Element]:
        if not self._words:
            return
        text = _closed_up(self._words)
        self._words.clear()
        if text:
            kind, depth = self._kinds[-1]
            yield Element(kind, text.replace("\n", " ") if kind == "title" else text, depth=depth)


def _is_block(tag: str) -> bool:
    return tag in _BLOCKS or "-" in tag  # a page's own elements are mostly boxes


def _is_unseen(part: Any) -> bool:
    """Whether a reader of the page does not see it, or not as its content."""
    tag = part.tag
    if tag in _UNSEEN:
        return True
    if part.attrib and tag not in ("html", "body"):  # their scripts show them when they are ready
        if "hidden" in part.attrib or part.get("role") in ("navigation", "search"):
            return True
        style = part.get("style")
        if style and "display:none" in "".join(style.split()).lower():
            return True
    if tag == "footer":
        return next(part.iterancestors("article", "section", "blockquote"), None) is None
    # the same page in other languages
    return tag == "li" and len(part) == 1 and part[0].tag == "a" and part[0].get("hreflang") is not None


def _is_data(table: Any) -> bool:
    """Whether its rows say something, and do not only arrange the page."""
    if next(table.iterdescendants(*_LAYOUT), None) is not None:
        return False
    if table.get("role") in ("presentation", "none"):
        return False
    columns = blocks = 0
    for row in table.iter("tr"):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        columns = max(columns, len(cells))
        blocks = max([blocks, *(sum(1 for _ in cell.iter("p", "li")) for cell in cells if len(cell))])
    return columns > 1 and blocks < _LAYOUT_CELL_BLOCKS


def _whole(part: Any) -> Iterator[Element]:
    """A table of data, or text set with its own white space."""
    if part.tag == "pre":
        text = _text(part, keeps_space=True).strip("\n")
        if text.strip():
            yield Element("code", text)
        return
    outside = [_text(child) for child in part if child.tag == "caption"]
    yield from (Element("text", text) for text in outside if text)
    yield from rows_to_elements(
        [_text(cell) for cell in row if cell.tag in ("td", "th")] for row in part.iter("tr")
    )


def _text(part: Any, *, keeps_space: bool = False) -> str:
    """All that is seen inside of an element."""
    words: list[str] = []
    walk = etree.iterwalk(part, events=("start", "end", "comment", "pi"))
    for event, inner in walk:
        if event == "start":
            if _is_unseen(inner):
                walk.skip_subtree()
                continue
            if inner.tag == "br" or (inner is not part and _is_block(inner.tag)):
                words.append(_BREAK)
            if inner.text:
                words.append(inner.text)
        elif inner is not part:
            if event == "end" and _is_block(inner.tag):
                words.append(_BREAK)
            if inner.tail:
                words.append(inner.tail)
    return "".join(words).replace(_BREAK, "\n") if keeps_space else _closed_up(words)


def _closed_up(words: list[str]) -> str:
    lines = (" ".join(line.split()) for line in "".join(words).split(_BREAK))
    return "\n".join(filter(None, lines))
