"""Two rankings of the same chunks -> one: near in meaning, and sharing words.

A chunk gets its cosine, plus the encoder's `worth` times its BM25 score over the best one's. The cosine in
its own unit says by itself how sure the encoder is; ranks forget how much better the first is.
docs/lexical.md has what was tried.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.records import Chunk, Hit

CANDIDATES = 100
"""Of each ranking, at least."""
WORTH_UNSPOKEN = 2.0
"""Of the best BM25 score, in cosines, where the encoder does not know the query's language: of eight tasks in
other languages than all-MiniLM's, seven within 0.4 nDCG points of the better ranking, Turkish 0.8 below."""
WORTH_ABROAD = 0.4
"""The same where most lexical hits are in another language than the query, and share names with it; only for
encoders that cross languages."""
SURE = 0.1
"""A best score below this share of what the query could reach counts for less: it shares a few words with
the query, not what is asked."""
_LANGUAGE_OF = 10
"""First lexical hits that tell which language the query's words are in."""


@dataclass(frozen=True, slots=True)
class Leg:
    """Where one ranking has a chunk."""

    rank: int
    """From 1."""
    score: float


@dataclass(frozen=True, slots=True)
class Fused:
    chunk: Chunk
    score: float
    """0 to 1 for cosines that are."""
    dense: Leg | None
    lexical: Leg | None
    rerank: Leg | None = None
    diverse: Leg | None = None


def spoken(lexical: Sequence[Hit]) -> str | None:
    """The language the query's words are in: that of most of the first hits."""
    counts = Counter(hit.chunk.language for hit in lexical[:_LANGUAGE_OF]).most_common(1)
    return counts[0][0] if counts else None


def fuse(
    dense: Sequence[Hit], lexical: Sequence[Hit], bound: float, *, crosses: float, worth: float
) -> list[Fused]:
    """Both rankings in one, best first.

    bound: the highest score that `lexical` could have. worth, crosses: as on the encoder's card. A chunk in
    another language than most lexical hits can't share words with the query, which is no evidence against it.
    One that `dense` lacks is taken to be as near as its last one.
    """
    near, words = _legs(dense), _legs(lexical)
    chunks = {hit.chunk.id: hit.chunk for hit in (*dense, *lexical)}
    farthest = dense[-1].score if dense else 0.0
    best = max(lexical[0].score, SURE * bound) if lexical else 1.0
    common = spoken(lexical)
    top = dense[0].score - farthest if dense else 0.0

    def shared(id_: str) -> float:
        share = words[id_].score / best if id_ in words else 0.0
        if crosses and common and id_ in near and chunks[id_].language != common and top > 0:
            assumed = crosses * lexical[0].score / best * (near[id_].score - farthest) / top
            share = max(share, assumed)
        return share

    fused = [
        Fused(
            chunk,
            ((near[id_].score if id_ in near else farthest) + worth * shared(id_)) / (1 + worth),
            near.get(id_),
            words.get(id_),
        )
        for id_, chunk in chunks.items()
    ]
    return sorted(fused, key=lambda one: (-one.score, one.chunk.id))


def alone(hits: Sequence[Hit], leg: str) -> list[Fused]:
    """One ranking as it is; `leg` is "dense" or "lexical"."""
    return [
        Fused(
            hit.chunk,
            hit.score,
            Leg(rank, hit.score) if leg == "dense" else None,
            Leg(rank, hit.score) if leg == "lexical" else None,
        )
        for rank, hit in enumerate(hits, 1)
    ]


def _legs(hits: Sequence[Hit]) -> dict[str, Leg]:
    return {hit.chunk.id: Leg(rank, hit.score) for rank, hit in enumerate(hits, 1)}
