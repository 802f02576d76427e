"""The candidates of a search, level by level: each goes on where the one before ended, so that pages fit.

A level is the first `CANDIDATES` of each ranking, joined. The next one leaves out what was taken before: the
passages, or where hits are grouped the whole documents, so that one long document never hides the others.
Its depth never changes: with another one, equal scores change places, and a page repeats what another has.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.fusion import CANDIDATES, WORTH_ABROAD, Fused, alone, fuse, spoken
from app.order import Entry, diverse, reranked
from app.schemas import Asking, Ranking
from embedder.encoder import Vectors
from ingest import labels
from ingest.index.contract import Where
from ingest.language import UNKNOWN
from ingest.ledger import DocumentRow
from ingest.lexical import SparseVector, bound
from ingest.pipeline import Shelf
from ingest.records import Hit

MOST_LEVELS = 20
"""That one page may take; what lies deeper is not found."""


@dataclass(slots=True)
class Trail:
    """What a search did, for those who ask it to explain."""

    levels: int = 0
    dense: int = 0
    lexical: int = 0
    """Candidates of each ranking."""
    bound: float = 0.0
    worth: float = 0.0
    """Of the best BM25 score, in cosines."""
    sureness: float | None = None
    reranked: int = 0
    problem: str | None = None
    """The reranker's."""
    steps_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            took_ms = (time.perf_counter() - begin) * 1000
            self.steps_ms[name] = round(self.steps_ms.get(name, 0.0) + took_ms, 2)


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared with the passages."""

    ranking: Ranking
    vector: Vectors | None
    """`(full width,)`; None for a lexical ranking."""
    terms: SparseVector | None
    """None for a dense one."""
    worth: float = 0.0
    crosses: float = 0.0
    """As for `fuse`."""
    language: str = UNKNOWN
    """Of the text that is asked."""
    text: str = ""
    """For the reranker; empty where it is not asked."""


def rank(question: Question, asked: Asking, where: Where, shelf: Shelf, trail: Trail) -> list[Entry]:
    """Entries for the page of `asked` and those before it, best first."""
    entries: list[Entry] = []
    while len(entries) < asked.offset + asked.limit and trail.levels < MOST_LEVELS:
        found, exhausted = _level(question, asked, where, shelf, trail)
        where_next = _without(found, where, grouped=asked.group is not None)
        found = _fitting(found, where, shelf, trail)
        if question.text and shelf.reranker is not None and trail.levels == 1:
            with trail.step("rerank"):
                found, trail.reranked, trail.problem = reranked(question.text, found, shelf.reranker)
        taken = _entries(found, grouped=asked.group is not None)
        if asked.diversity:
            with trail.step("diversity"):
                taken = diverse(taken, asked.diversity, shelf.index)
        entries += taken
        if exhausted:
            break
        where = where_next
    return entries


def _level(
    question: Question, asked: Asking, where: Where, shelf: Shelf, trail: Trail
) -> tuple[list[Fused], bool]:
    """The next candidates, best first; and whether there are none behind them."""
    near: list[Hit] = []
    words: list[Hit] = []
    if question.terms is not None:
        with trail.step("lexical"):
            words = shelf.index.search_terms(question.terms, limit=CANDIDATES, where=where)
    if question.vector is not None:
        with trail.step("dense"):
            near = shelf.index.search(
                question.vector,
                limit=CANDIDATES,
                dim=asked.dim,
                exact=asked.exact,
                funnel=shelf.funnel,
                where=where,
            )
    exhausted = len(near) < CANDIDATES and len(words) < CANDIDATES
    near, words = _settled(near), _settled(words)
    if not trail.levels and question.terms is not None:
        trail.bound = bound(question.terms, shelf.index.count())
        trail.sureness = words[0].score / trail.bound if words else 0.0
        abroad = question.crosses and question.language not in (UNKNOWN, spoken(words))
        trail.worth = min(question.worth, WORTH_ABROAD) if abroad else question.worth
    trail.levels += 1
    trail.dense += len(near)
    trail.lexical += len(words)
    if question.terms is None or question.vector is None:
        return alone(near or words, question.ranking), exhausted
    with trail.step("join"):
        joined = fuse(near, words, trail.bound, crosses=question.crosses, worth=trail.worth)
    return joined, exhausted


def _settled(hits: Sequence[Hit]) -> list[Hit]:
    """In an order that is the same each time: engines give equal scores as they come, and any of the last."""
    hits = sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))
    sure = [hit for hit in hits if hit.score > hits[-1].score]
    return sure if len(hits) == CANDIDATES and len(sure) >= CANDIDATES // 2 else hits


def _fitting(found: Sequence[Fused], where: Where, shelf: Shelf, trail: Trail) -> list[Fused]:
    """Without those of documents that only together are what was asked for."""
    if not labels.asks_of_documents(where):
        return list(found)
    with trail.step("documents"):
        rows = shelf.ledger.documents_of({one.chunk.version for one in found}, shelf.sees)
    return [
        one for one in found if any(labels.fits(row.said, where) for row in rows.get(one.chunk.version, ()))
    ]


def cited(rows: Sequence[DocumentRow], where: Where) -> list[DocumentRow]:
    """The documents of a text, those that were asked for first."""
    return sorted(rows, key=lambda row: not labels.fits(row.said, where))


def _entries(found: Sequence[Fused], *, grouped: bool) -> list[Entry]:
    if not grouped:
        return [[one] for one in found]
    documents: dict[str, Entry] = {}
    for one in found:
        documents.setdefault(one.chunk.version, []).append(one)
    return list(documents.values())


def _without(found: Sequence[Fused], where: Where, *, grouped: bool) -> Where:
    if grouped:
        versions = {one.chunk.version for one in found}
        return replace(where, not_versions=(*where.not_versions, *sorted(versions)))
    return replace(where, not_points=(*where.not_points, *(one.chunk.id for one in found)))
