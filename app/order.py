"""Candidates in another order: by a reranker that reads them, and so that like ones stand apart."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.diversity import diversify, middle
from app.fusion import CANDIDATES, Fused, Leg
from embedder.errors import RerankerFailed
from embedder.reranker import Reranker
from ingest.index.contract import Index

log = logging.getLogger(__name__)

Entry = list[Fused]
"""Passages of one document, the best first; of an ungrouped search always one."""


def reranked(query: str, found: Sequence[Fused], reranker: Reranker) -> tuple[list[Fused], int, str | None]:
    """The first candidates as the reranker has them, the others behind; how many it read.

    If it fails the order stays, and the last value says why.
    """
    read = found[: reranker.depth]
    if not read:
        return list(found), 0, None
    try:
        scores = reranker.score(query, [_text(one) for one in read])
    except RerankerFailed as error:
        log.warning("%s", error)
        return list(found), 0, str(error)
    order = sorted(range(len(read)), key=lambda at: (-scores[at], at))
    first = [replace(read[at], rerank=Leg(rank, scores[at])) for rank, at in enumerate(order, 1)]
    return [*first, *found[len(read) :]], len(read), None


def diverse(entries: list[Entry], diversity: float, index: Index) -> list[Entry]:
    """By MMR over the best passages' stored vectors; behind what a reranker read stays what it did not."""
    pool = entries[:CANDIDATES]
    if any(entry[0].rerank for entry in pool):
        pool = [entry for entry in pool if entry[0].rerank]
    stored = index.vectors([entry[0].chunk.id for entry in pool])
    pool = [entry for entry in pool if entry[0].chunk.id in stored]  # the others went a moment ago
    if not pool:
        return entries
    relevance = np.array(
        [entry[0].rerank.score if entry[0].rerank else entry[0].score for entry in pool], np.float32
    )
    best = float(relevance.max())
    vectors = np.stack([middle(stored[entry[0].chunk.id]) for entry in pool])
    order = diversify(relevance / best if best > 0 else relevance, vectors, diversity)
    moved = [
        [replace(pool[row][0], diverse=Leg(rank, value)), *pool[row][1:]]
        for rank, (row, value) in enumerate(order, 1)
    ]
    taken = {entry[0].chunk.id for entry in pool}
    return [*moved, *(entry for entry in entries if entry[0].chunk.id not in taken)]


def _text(one: Fused) -> str:
    """What the reranker reads: where the passage stands, and what it says."""
    chunk = one.chunk
    return "\n".join(dict.fromkeys((chunk.title, *chunk.heading[-1:], chunk.text)))
