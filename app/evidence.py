"""Which sentences of the hits a text rests on, found by the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.schemas import Hit
from embedder.encoder import Encoder, Vectors
from ingest.sentences import sentences

MAX_SENTENCES = 60
"""Encoded for one answer: about 0.6 s on two cores with a small encoder."""
_SHORTEST_CHARS = 12
_SAME = 0.95
"""Two sentences this near say the same."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a hit, and how near it is to what was asked."""

    citation: int
    """1-based number of its hit."""
    span: tuple[int, int]
    """In the hit's text, in characters."""
    text: str
    score: float
    vector: Vectors
    """(dim,)"""


def find_evidence(
    vector: Vectors, hits: Sequence[Hit], encoder: Encoder, most: int = MAX_SENTENCES
) -> list[Evidence]:
    """The sentences of the hits, nearest to `vector` `(dim,)` first; no more than `most` are read, those of
    the first hits first."""
    candidates = [
        (number, span, hit.text[slice(*span)])
        for number, hit in enumerate(hits, 1)
        for span in sentences(hit.text)
        if _is_sentence(hit.text[slice(*span)], encoder)
    ][:most]
    if not candidates:
        return []
    vectors = encoder.encode_documents([text for _, _, text in candidates])
    scores = vectors @ vector
    found = [
        Evidence(number, span, text, float(score), vector)
        for (number, span, text), score, vector in zip(candidates, scores, vectors, strict=True)
    ]
    return sorted(found, key=lambda one: -one.score)


def distinct(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Without those that say what a better one says already."""
    kept: list[Evidence] = []
    for one in evidence:
        if all(float(one.vector @ other.vector) < _SAME for other in kept):
            kept.append(one)
    return kept


def _is_sentence(text: str, encoder: Encoder) -> bool:
    wide = sum(2 if character > "\u2e7f" else 1 for character in text)  # a CJK character says more
    return wide >= _SHORTEST_CHARS and len(encoder.token_spans(text)) < encoder.card.window - 2
