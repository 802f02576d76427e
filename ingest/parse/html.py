"""html -> elements: what a reader of the page sees, in one walk over lxml's tree."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lxml import etree, html

from ingest.errors import UnreadableFile
from ingest.parse.tables import rows_to_elements
from ingest.parse.unseen import Unseen
from ingest.records import Element, ElementKind

_APART = frozenset("script style noscript template nav svg iframe object head".split())
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
    """The page's title and content, without scripts and navigation; text that it hides is marked.

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
    return under(title, list(_Page(Unseen(page)).read(page)))


def under(title: str, found: list[Element]) -> list[Element]:
    """The elements under the document's title, unless they begin with it or there are none."""
    if not title or not found or found[0].text == title:
        return found
    return [Element("title", title), *found]


class _Page:
    """The walk, and what it has in hand: the words since the last block began."""

    def __init__(self, unseen: Unseen) -> None:
        self._unseen = unseen
        self._covers: list[Any] = []
        """The elements around that hide what is in them, outermost first."""
        self._words: list[str] = []
        self._hidden: list[str] = []
        """Those of them that nobody sees."""
        self._kinds: list[tuple[ElementKind, int]] = [("text", 0)]
        """Of the block that is open, and of those around it that have one."""

    def read(self, page: Any) -> Iterator[Element]:
        walk = etree.iterwalk(page, events=("start", "end", "comment", "pi"))
        for event, part in walk:
            if event == "start":
                if _is_apart(part):
                    walk.skip_subtree()
                    continue
                if part.tag not in ("html", "body") and self._unseen.hides(part):
                    self._covers.append(part)  # but not the whole: scripts show it when they are ready
                if part.tag == "pre" or (part.tag == "table" and _is_data(part)):
                    yield from self._flush()
                    for element in self._whole(part):
                        yield replace(element, unseen=bool(self._covers))
                    walk.skip_subtree()
                else:
                    yield from self._open(part)
                continue
            if event == "end":
                yield from self._close(part)
            if part.tail and part is not page:
                self._say(part.tail)
        yield from self._flush()

    def _say(self, words: str) -> None:
        (self._hidden if self._covers else self._words).append(words)

    def _open(self, part: Any) -> Iterator[Element]:
        if _is_block(part.tag):
            yield from self._flush()
            if part.tag in _KINDS:
                self._kinds.append(_KINDS[part.tag])
        elif part.tag == "br":
            self._say(_BREAK)
        if part.text:
            self._say(part.text)

    def _close(self, part: Any) -> Iterator[Element]:
        if _is_block(part.tag):
            yield from self._flush()
            if part.tag in _KINDS and not _is_apart(part):
                self._kinds.pop()
        if self._covers and self._covers[-1] is part:
            self._covers.pop()

    def _flush(self) -> Iterator[Element]:
        if self._words and (text := _closed_up(self._words)):
            kind, depth = self._kinds[-1]
            yield Element(kind, text.replace("\n", " ") if kind == "title" else text, depth=depth)
        if self._hidden and (text := _closed_up(self._hidden)):
            yield Element("text", text, unseen=True)
        self._words.clear()
        self._hidden.clear()

    def _whole(self, part: Any) -> Iterator[Element]:
        """A table of data, or text set with its own white space."""
        if part.tag == "pre":
            text = self._text(part).replace(_BREAK, "\n").strip("\n")
            if text.strip():
                yield Element("code", text)
            return
        for caption in part.iterchildren("caption"):
            if text := _closed_up([self._text(caption)]):
                yield Element("text", text)
        yield from rows_to_elements(
            [_closed_up([self._text(cell)]) for cell in row if cell.tag in ("td", "th")]
            for row in part.iter("tr")
        )

    def _text(self, part: Any) -> str:
        """All inside of an element, but what is hidden in it or with the row around it."""
        if self._unseen.hides(part) or self._unseen.hides(part.getparent()):
            self._hidden += [*part.itertext(), " "]
            return ""
        words: list[str] = []
        walk = etree.iterwalk(part, events=("start", "end", "comment", "pi"))
        for event, inner in walk:
            if event == "start":
                if inner is not part and self._unseen.hides(inner):
                    self._hidden += [*inner.itertext(), " "]
                    walk.skip_subtree()
                    continue
                if _is_apart(inner):
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
        return "".join(words)


def _is_block(tag: str) -> bool:
    return tag in _BLOCKS or "-" in tag  # a page's own elements are mostly boxes


def _is_apart(part: Any) -> bool:
    """Whether it is not the page's content."""
    tag = part.tag
    if tag in _APART or part.get("role") in ("navigation", "search"):
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


def _closed_up(words: list[str]) -> str:
    lines = (" ".join(line.split()) for line in "".join(words).split(_BREAK))
    return "\n".join(filter(None, lines))
