"""Elements -> chunks: whole sentences under one heading, sized in the encoder's own tokens.

A chunk ends with its section, unless sections are tiny; within a section paragraphs are kept whole
where they fit, sentences wherever one alone fits, table rows and code lines likewise. A table that
goes on in the next chunk takes its header row along.
"""

import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from ingest import language
from ingest.parse.tables import CELL_JOINT, is_header
from ingest.records import Chunk, Element
from ingest.sentences import sentences

CHUNKER_VERSION = "2"

TokenSpans = Callable[[str], list[tuple[int, int]]]
"""Where each token of a text begins and ends, in characters."""

_CONTEXT_SHARE = 4
"""The headings embedded with a chunk take at most one in so many of its tokens."""
_TINY_SHARE = 6
"""A section smaller than one in so many of a chunk's tokens is joined with the next one."""
_SECTION_CHUNKS = 64
"""A section longer than so many is cut as it comes: a table of a million rows is one section."""
_CLAUSE_ENDS = ",;:，；：、،؛"
_SPACES = " \n\t"
"""Where a sentence longer than a chunk is cut, if one stands in the second half of the room."""
_TITLE_CHARS = 200
"""A longer title is a paragraph that somebody made look like one."""
_SAMPLE_CHARS = 4000
SLACK_TOKENS = 4
"""Left free: pieces joined may make a token more than apart."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut: a sentence, a row, a line."""

    text: str
    tokens: int
    joint: str
    """Stands between it and the piece before."""
    page: int | None
    header: "_Piece | None" = None
    """Of a table row: the row with the names of the columns."""


@dataclass(frozen=True, slots=True)
class _Section:
    heading: tuple[str, ...]
    pieces: list[_Piece]
    unseen: bool = False


def context_of(chunk: Chunk, token_spans: TokenSpans, max_tokens: int) -> str:
    """What is encoded before a chunk's text: its own heading; of the first one the title as well.

    More of the path blurs the vector: with all of it 81 % of the phrases of 27 English documents found
    their document among 10 hits, with the last heading 91 %, with none 93 % (all-MiniLM, 128 tokens).
    At most a quarter of `max_tokens`, those of a window.
    """
    title = chunk.title if chunk.position == 0 else None
    return _context(title, chunk.heading, token_spans, max_tokens)


def chunk(
    elements: Sequence[Element], *, version: str, name: str, token_spans: TokenSpans, max_tokens: int
) -> Iterator[Chunk]:
    """The chunks of one document, in reading order.

    `name` is the file's, the title where the document has none. Takes time in proportion to the text.
    """
    elements = [_as_paragraph(element) for element in elements]
    titles = (element.text for element in elements if element.kind == "title" and not element.unseen)
    title = next(titles, PurePath(name).stem)
    known = [language.detect(element.text) for element in elements[:200] if element.kind != "title"]
    known.append(language.detect(" ".join(element.text for element in elements[:50])[:_SAMPLE_CHARS]))
    fallback = _most_common(known)
    position = 0
    for section in _sections(elements, title, token_spans, max_tokens):
        context = _context(None if position else title, section.heading, token_spans, max_tokens)
        room = max_tokens - len(token_spans(context)) - SLACK_TOKENS
        for group in _fill(_cut_long(section.pieces, room, token_spans), room):
            for text, page in _fitting(group, context, token_spans, max_tokens):
                found = language.detect(text)
                yield Chunk(
                    version=version,
                    position=position,
                    text=text,
                    title=title,
                    heading=section.heading,
                    page=page,
                    language=fallback if found == language.UNKNOWN else found,
                    unseen=section.unseen,
                )
                position += 1


def _as_paragraph(element: Element) -> Element:
    is_title = element.kind == "title" and len(element.text) <= _TITLE_CHARS
    return element if is_title or element.kind != "title" else replace(element, kind="text", depth=0)


def _context(title: str | None, heading: tuple[str, ...], token_spans: TokenSpans, max_tokens: int) -> str:
    context = " › ".join(dict.fromkeys(filter(None, (title, *heading[-1:]))))
    spans = token_spans(context)
    limit = max_tokens // _CONTEXT_SHARE
    return context if len(spans) <= limit else context[: spans[limit - 1][1]]


def _sections(
    elements: Sequence[Element], title: str, token_spans: TokenSpans, max_tokens: int
) -> Iterator[_Section]:
    """Runs of pieces under one heading path; tiny ones joined, their headings kept in the text.

    What nobody sees comes after its section, apart.
    """
    path: list[Element] = []
    bare: list[Element] = []  # titles with no text under them yet
    heading: tuple[str, ...] = ()
    pieces: list[_Piece] = []
    unseen: list[_Piece] = []
    tokens = 0
    before: Element | None = None
    for element in elements:
        if element.unseen:
            unseen += _pieces(element, token_spans)
            continue
        in_list = before is not None and before.kind == element.kind == "list"
        before = element
        if element.kind != "title":
            if not pieces:
                heading = tuple(above.text for above in path if above.text != title)
                bare.clear()
            more = _as_text(bare, token_spans)
            more += _pieces(element, token_spans, joint="\n" if in_list else "\n\n")
            bare.clear()
            pieces += more
            tokens += sum(piece.tokens for piece in more)
            if tokens > _SECTION_CHUNKS * max_tokens:
                yield _Section(heading, pieces)
                pieces, tokens = [], 0
            continue
        if sum(piece.tokens for piece in pieces) * _TINY_SHARE > max_tokens:
            yield _Section(heading, pieces)
            if unseen:
                yield _Section(heading, unseen, unseen=True)
            pieces, unseen, tokens = [], [], 0
        path = [above for above in path if above.depth < element.depth]
        pieces += _as_text([above for above in bare if above not in path], token_spans)
        bare = [above for above in bare if above in path] + [element]
        path.append(element)
    pieces += _as_text(bare, token_spans)
    if pieces:
        yield _Section(heading, pieces)
    if unseen:
        yield _Section(heading, unseen, unseen=True)


def _as_text(titles: list[Element], token_spans: TokenSpans) -> list[_Piece]:
    """Titles as paragraphs of their own, so that none is lost."""
    return [piece for title in titles for piece in _pieces(title, token_spans)]


def _pieces(element: Element, token_spans: TokenSpans, joint: str = "\n\n") -> list[_Piece]:
    """An element's sentences, or the lines of a table or of code; `joint` stands before the first."""
    text = element.text
    has_header = element.kind == "table" and is_header(text.partition("\n")[0].split(CELL_JOINT))
    spans = _lines(text) if element.kind in ("table", "code") else sentences(text)
    starts = [begin for begin, _ in token_spans(text)]
    pieces: list[_Piece] = []
    before = 0
    for begin, end in spans:
        tokens = bisect_left(starts, end) - bisect_left(starts, begin)
        header = pieces[0] if pieces and has_header else None
        between = text[before:begin] if pieces else joint
        pieces.append(_Piece(text[begin:end], max(1, tokens), between, element.page, header))
        before = end
    return pieces


def _lines(text: str) -> list[tuple[int, int]]:
    spans = []
    at = 0
    for line in text.splitlines(keepends=True):
        content = line.rstrip()
        if content:
            spans.append((at, at + len(content)))
        at += len(line)
    return spans


def _cut_long(pieces: Iterable[_Piece], room: int, token_spans: TokenSpans) -> Iterator[_Piece]:
    """Cut the pieces that no chunk can hold, at a clause if there is one, else between two tokens."""
    for piece in pieces:
        if piece.tokens <= room:
            yield piece
            continue
        text, joint = piece.text, piece.joint
        spans = token_spans(text)
        starts = [start for start, _ in spans]
        begin = token = 0
        while begin < len(text):
            end = len(text)
            if len(spans) - token > room:
                half, last = spans[token + room // 2][0], spans[token + room - 1][1]
                clause = _last_of(_CLAUSE_ENDS, text, half, last) or _last_of(_SPACES, text, half, last)
                end = clause or _whole_letters(text, begin, last)
            next_token = bisect_left(starts, end, token)
            part = text[begin:end]
            if part.strip():
                yield _Piece(part.strip(), max(1, next_token - token), joint, piece.page)
            joint = " " if part[-1].isspace() else ""
            begin, token = end, next_token


def _whole_letters(text: str, begin: int, end: int) -> int:
    """`end`, or earlier, so that no accent or vowel sign is cut off from its letter; past `begin`."""
    cut = end
    while cut > begin + 1 and cut < len(text) and unicodedata.category(text[cut])[0] == "M":
        cut -= 1
    return max(cut, begin + 1)


def _last_of(marks: str, text: str, begin: int, end: int) -> int:
    """Position behind the last of `marks` in that part of the text; 0 if there is none."""
    return 1 + max(text.rfind(mark, begin, end) for mark in marks)


def _fill(pieces: Iterator[_Piece], room: int) -> Iterator[list[_Piece]]:
    """Groups of pieces that fit, full paragraphs rather than half ones."""
    group: list[_Piece] = []
    used = 0
    for paragraph in _paragraphs(pieces):
        size = sum(piece.tokens for piece in paragraph)
        if group and used + size > room and (size <= room or used * 2 > room):
            yield group
            group, used = [], 0
        for piece in paragraph:
            if group and used + piece.tokens > room:
                yield group
                group, used = [], 0
                if piece.header and piece.header.tokens + piece.tokens <= room:
                    group, used = [piece.header], piece.header.tokens
            group.append(piece)
            used += piece.tokens
    if group:
        yield group


def _paragraphs(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces of one element: those joined by less than a blank line."""
    paragraph: list[_Piece] = []
    for piece in pieces:
        if paragraph and piece.joint == "\n\n":
            yield paragraph
            paragraph = []
        paragraph.append(piece)
    if paragraph:
        yield paragraph


def _fitting(
    group: list[_Piece], context: str, token_spans: TokenSpans, max_tokens: int
) -> Iterator[tuple[str, int | None]]:
    """The group's text and page; in halves should the whole be more tokens than its pieces were."""
    text = group[0].text + "".join(piece.joint + piece.text for piece in group[1:])
    if len(token_spans(f"{context}\n{text}")) > max_tokens:
        pieces = group if len(group) > 1 else _halves(group[0], token_spans)
        if len(pieces) > 1:
            for half in (pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]):
                yield from _fitting(half, context, token_spans, max_tokens)
            return
    yield text, group[0].page


def _halves(piece: _Piece, token_spans: TokenSpans) -> list[_Piece]:
    tokens = len(token_spans(piece.text))
    return list(_cut_long([replace(piece, tokens=tokens)], (tokens + 1) // 2, token_spans))


def _most_common(languages: Sequence[str]) -> str:
    known = Counter(found for found in languages if found != language.UNKNOWN)
    return known.most_common(1)[0][0] if known else language.UNKNOWN
