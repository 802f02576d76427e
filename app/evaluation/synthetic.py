"""A collection's own chunks -> queries with known answers, without a language model.

A heading asks for its section, and a sentence full of telling words for its passage. Their words are the
documents' own, which is easier than what people ask: good for comparing settings, not for judging quality.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import log

from app.evaluation.ask import ready_documents
from app.evaluation.sets import Query, Relevant
from ingest.analysis import runs, terms, words_in
from ingest.errors import NotPossible
from ingest.ledger import DocumentRow
from ingest.pipeline import Shelf
from ingest.records import Chunk
from ingest.sentences import sentences

_DOCUMENTS = 1000
"""Looked through, at most."""
_FEWEST_WORDS = 5
"""Of a sentence; a shorter one says too little to be found by."""
_MOST_CHARS = 240
_FEWEST_HEADING_CHARS = 4


def synthesize(shelf: Shelf, limit: int, seed: int) -> list[Query]:
    """At most `limit` queries, headings and sentences in turn, of documents drawn by `seed`.

    Raises NotPossible if there is nothing to ask for.
    """
    rows = ready_documents(shelf)
    drawn = random.Random(seed).sample(rows, min(_DOCUMENTS, len(rows)))  # noqa: S311 no secret
    read = [(row, shelf.index.chunks(row.version or "")) for row in drawn]
    headings, asked = list(_headings(read)), list(_sentences(read))
    half = max(limit // 2, limit - len(asked))
    chosen = headings[:half] + asked[: limit - min(half, len(headings))]
    if not chosen:
        raise NotPossible(f"{shelf.name!r} has no heading and no sentence to ask for: ingest documents first")
    return chosen


def _headings(read: Sequence[tuple[DocumentRow, Sequence[Chunk]]]) -> Iterator[Query]:
    """Of each section the heading with its document's title, which tells it from its like elsewhere."""
    seen: set[str] = set()
    for row, chunks in read:
        sections: dict[tuple[str, ...], list[Chunk]] = defaultdict(list)
        for chunk in chunks:
            if chunk.heading and len(chunk.heading[-1]) >= _FEWEST_HEADING_CHARS:
                sections[chunk.heading].append(chunk)
        for heading, section in sections.items():
            text = f"{heading[-1]} ({section[0].title})"
            if text not in seen:
                seen.add(text)
                relevant = tuple(Relevant(row.uri, quote_of(chunk.text)) for chunk in section)
                yield Query(f"heading-{len(seen)}", text, section[0].language, relevant)


def _sentences(read: Sequence[tuple[DocumentRow, Sequence[Chunk]]]) -> Iterator[Query]:
    """Of each document the sentence with the rarest words."""
    counts = Counter(term for _, chunks in read for chunk in chunks for term in _terms(chunk.text))
    total = 1 + sum(len(chunks) for _, chunks in read)
    seen: set[str] = set()
    for row, chunks in read:
        best, where, most = "", None, 0.0
        for chunk in chunks:
            for begin, end in sentences(chunk.text):
                sentence = chunk.text[begin:end]
                words = sum(words_in(*run) for run in runs(sentence))
                if words >= _FEWEST_WORDS and len(sentence) <= _MOST_CHARS:
                    telling = sum(log(total / counts[term]) for term in _terms(sentence) if counts[term])
                    if telling > most:
                        best, where, most = sentence, chunk, telling
        if where is not None and best not in seen:
            seen.add(best)
            yield Query(f"sentence-{len(seen)}", best, where.language, (Relevant(row.uri, best),))


def quote_of(text: str) -> str:
    """The longest sentence: it tells the passage, also after it was cut anew."""
    begin, end = max(sentences(text), key=lambda span: span[1] - span[0], default=(0, len(text)))
    return text[begin:end]


def _terms(text: str) -> set[str]:
    """Whole words, and what stands in for them where words are not set apart."""
    return {
        term
        for run, kind in runs(text)
        for term in (terms(run, kind)[:1] if kind == "word" else terms(run, kind))
    }
