"""Text -> sparse vector; the index's IDF times the dot product of a query's and a document's is BM25

    score = sum over terms of  times in the query * IDF * value
    value = times * (K + 1) / (times + K * (1 - B + B * words / AVERAGE_WORDS))    times in the document

The index counts the IDF over its own points (`Modifier.IDF`), so a collection is never read to be searched.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
import numpy.typing as npt

from ingest.analysis import Kind, runs, terms, words_in

K = 1.2
"""How soon a term's repetition stops counting."""
B = 0.75
"""How much a document's length counts."""
AVERAGE_WORDS = 175
"""Length at which a document is neither favoured nor held back. Fixed, so that a vector never depends on the
other documents. Measured over whole documents of 20 to 3,400 words: 150, 175 and 200 within 0.1 points."""

_CACHED_WORDS = 1 << 16
_CACHED_CHARS = 32
"""Longer runs hardly come twice."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """What is not zero, by ascending index."""

    indices: npt.NDArray[np.uint32]
    """(terms,), each once: a hash of the term, the same on every machine."""
    values: npt.NDArray[np.float32]
    """(terms,), above 0."""


def encode_documents(texts: Sequence[str]) -> list[SparseVector]:
    """One vector per text, of saturated term frequencies; empty for one without letters or digits."""
    return [_document(text) for text in texts]


def encode_queries(texts: Sequence[str]) -> list[SparseVector]:
    """One vector per text, of plain term frequencies."""
    return [_vector(_count(text)[0], 0.0) for text in texts]


def bound(query: SparseVector, documents: int) -> float:
    """BM25 of a document that held every term of the query, were each as rare as can be in so many."""
    return float(query.values.sum()) * (K + 1) * log(2 * documents + 2)


def _document(text: str) -> SparseVector:
    counts, words = _count(text)
    return _vector(counts, K * (1 - B + B * words / AVERAGE_WORDS))


def _vector(counts: Counter[int], saturation: float) -> SparseVector:
    indices = np.fromiter(counts.keys(), np.uint32, len(counts))
    frequencies = np.fromiter(counts.values(), np.float64, len(counts))
    values = frequencies * (K + 1) / (frequencies + saturation) if saturation else frequencies
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order].astype(np.float32))


def _count(text: str) -> tuple[Counter[int], float]:
    """How often each term stands in the text, by its hash; and how many words it has."""
    counts: Counter[int] = Counter()
    words = 0.0
    for (run, kind), times in Counter(runs(text)).items():
        words += times * words_in(run, kind)
        for index in _cached(run, kind) if len(run) <= _CACHED_CHARS else _hashes(run, kind):
            counts[index] += times
    return counts, words


def _hashes(run: str, kind: Kind) -> list[int]:
    return [_hash(term) for term in terms(run, kind)]


@lru_cache(_CACHED_WORDS)
def _cached(run: str, kind: Kind) -> tuple[int, ...]:
    return tuple(_hashes(run, kind))


def _hash(term: str) -> int:
    return zlib.crc32(term.encode())
