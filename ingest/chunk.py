"""Elements -> chunks: whole sentences under one heading, sized in the encoder's own tokens.

A chunk ends with its section, unless sections are tiny; within a section paragraphs are kept whole
where they fit, sentences wherever one alone fits, table rows and code lines likewise. A table that
goes on in the next chunk takes its header row along.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from ingest import language
from ingest.records import Chunk, Element
from ingest.sentences import sentences

CHUNKER_VERSION = "1"

TokenSpans = Callable[[str], list[tuple[int, int]]]
"""Where each token of a text begins and ends, in characters."""

_CONTEXT_SHARE = 4
"""The headings embedded with a chunk take at most one in so many of its tokens."""
_TINY_SHARE = 6
"""A section smaller than one in so many of a chunk's tokens is joined with the next one."""
_CLAUSE_ENDS = ",;:，；：、،؛"
_SPACES = " \n\t"
"""Where a sentence longer than a chunk is cut, if one stands in the second half of the room."""
_SAMPLE_CHARS = 4000
_SLACK = 4
"""Tokens left free: pieces joined may make a token more than apart."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut: a sentence, a row, a line."""

    text: str
    tokens: int
    joint: str
    """Stands between it and the piece before."""
    page: int | None
    header: "_Piece | None" = None
    """Of a table row: the table's first row."""


def embedded_text(chunk: Chunk, token_spans: TokenSpans, max_tokens: int) -> str:
    """What is encoded: the chunk under its own heading, the first one under the title as well.

    More of the path blurs the vector: with all of it 81 % of the phrases of 27 English documents found
    their document among 10 hits, with the last heading 91 %, with none 93 % (all-MiniLM, 128 tokens).
    Never more than `max_tokens` for a chunk that was made for them.
    """
    title = chunk.title if chunk.position == 0 else None
    context = _context(title, chunk.heading, token_spans, max_tokens)
    return f"{context}\n{chunk.text}" if context else chunk.text


def chunk(
    elements: Sequence[Element], *, version: str, name: str, token_spans: TokenSpans, max_tokens: int
) -> Iterator[Chunk]:
    """The chunks of one document, in reading order.

    `name` is the file's, the title where the document has none. Takes time in proportion to the text.
    """
    title = next((element.text for element in elements if element.kind == "title"), PurePath(name).stem)
    known = [language.detect(element.text) for element in elements[:200] if element.kind != "title"]
    known.append(language.detect(" ".join(element.text for element in elements[:50])[:_SAMPLE_CHARS]))
    fallback = _most_common(known)
    position = 0
    for heading, pieces in _sections(elements, title, token_spans, max_tokens):
        context = _context(None if position else title, heading, token_spans, max_tokens)
        room = max_tokens - len(token_spans(context)) - _SLACK
        for group in _fill(_cut_long(pieces, room, token_spans), room):
            for text, page in _fitting(group, context, token_spans, max_tokens):
                found = language.detect(text)
                yield Chunk(
                    version=version,
                    position=position,
                    text=text,
                    title=title,
                    heading=heading,
                    page=page,
                    language=fallback if found == language.UNKNOWN else found,
                )
                position += 1


def _context(title: str | None, heading: tuple[str, ...], token_spans: TokenSpans, max_tokens: int) -> str:
    context = " › ".join(dict.fromkeys(filter(None, (title, *heading[-1:]))))
    spans = token_spans(context)
    limit = max_tokens // _CONTEXT_SHARE
    return context if len(spans) <= limit else context[: spans[limit - 1][1]]


def _sections(
    elements: Sequence[Element], title: str, token_spans: TokenSpans, max_tokens: int
) -> Iterator[tuple[tuple[str, ...], list[_Piece]]]:
    """Runs of pieces under one heading path; tiny ones joined, their headings kept in the text."""
    path: list[Element] = []
    bare: list[Element] = []  # titles with no text under them yet
    heading: tuple[str, ...] = ()
    pieces: list[_Piece] = []
    for element in elements:
        if element.kind != "title":
            if not pieces:
                heading = tuple(above.text for above in path if above.text != title)
                bare.clear()
            pieces += _as_text(bare, token_spans) + _pieces(element, token_spans)
            bare.clear()
            continue
        if sum(piece.tokens for piece in pieces) * _TINY_SHARE > max_tokens:
            yield heading, pieces
            pieces = []
        path = [above for above in path if above.depth < element.depth]
        pieces += _as_text([above for above in bare if above not in path], token_spans)
        bare = [above for above in bare if above in path] + [element]
        path.append(element)
    pieces += _as_text(bare, token_spans)
    if pieces:
        yield heading, pieces


def _as_text(titles: list[Element], token_spans: TokenSpans) -> list[_Piece]:
    """Titles as paragraphs of their own, so that none is lost."""
    return [piece for title in titles for piece in _pieces(title, token_spans)]


def _pieces(element: Element, token_spans: TokenSpans) -> list[_Piece]:
    """An element's sentences, or the lines of a table or of code."""
    text = element.text
    spans = _lines(text) if element.kind in ("table", "code") else sentences(text)
    starts = [begin for begin, _ in token_spans(text)]
    pieces: list[_Piece] = []
    before = 0
    for begin, end in spans:
        joint = text[before:begin] if pieces else "\n\n"
        tokens = bisect_left(starts, end) - bisect_left(starts, begin)
        header = pieces[0] if pieces and element.kind == "table" else None
        pieces.append(_Piece(text[begin:end], max(1, tokens), joint, element.page, header))
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


def _cut_long(pieces: list[_Piece], room: int, token_spans: TokenSpans) -> Iterator[_Piece]:
    """Cut the pieces that no chunk can hold, at a clause if there is one, else between two tokens."""
    for piece in pieces:
        if piece.tokens <= room:
            yield piece
            continue
        text, joint = piece.text, piece.joint
        while len(spans := token_spans(text)) > room:
            half, end = spans[room // 2][0], spans[room - 1][1]
            clause = _last_of(_CLAUSE_ENDS, text, half, end) or _last_of(_SPACES, text, half, end)
            cut = max(1, clause or end)
            head = text[:cut]
            yield _Piece(head.strip() or head, min(room, len(token_spans(head))), joint, piece.page)
            text, joint = text[cut:], " " if head[-1:].isspace() else ""
        if text.strip():
            yield replace(piece, text=text.strip(), tokens=max(1, len(spans)), joint=joint, header=None)


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
    if len(group) > 1 and len(token_spans(f"{context}\n{text}")) > max_tokens:
        for half in (group[: len(group) // 2], group[len(group) // 2 :]):
            yield from _fitting(half, context, token_spans, max_tokens)
    else:
        yield text, group[0].page


def _most_common(languages: Sequence[str]) -> str:
    known = Counter(found for found in languages if found != language.UNKNOWN)
    return known.most_common(1)[0][0] if known else language.UNKNOWN
