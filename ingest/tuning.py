"""The dimension dial: what each stored prefix and number of candidates gives on a collection's own sentences.

Measured, not assumed: how many of the ten hits of an exact search over the full vectors a funnel keeps, and
how long it takes. The fastest funnel that keeps enough is the collection's.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

import embedder
from embedder.encoder import Vectors
from ingest.database import Database
from ingest.errors import NotPossible
from ingest.index.contract import Funnel, Index
from ingest.pipeline import Shelf
from ingest.records import Chunk, Hit
from ingest.sentences import sentences

QUERIES = 100
AGREEMENT = 0.99
"""Share of the ten hits of exact search that a funnel keeps."""
_CANDIDATES = (25, 50, 100, 200, 400, 800)
_LIMIT = 10
_SEED = 0
_FEWEST_CHARS = 20


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to search, measured."""

    dim: int
    candidates: int | None
    """For ten results; None is a search at `dim` alone."""
    agreement: float
    """With the ten hits of exact search, 0 to 1."""
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """The curve of a collection, and the funnel chosen from it."""

    queries: int
    chunks: int
    """In the collection, when it was measured."""
    measured: datetime
    settings: tuple[Setting, ...]
    chosen: Funnel | None
    """None if no funnel keeps enough: searches are exact."""


def tune(shelf: Shelf, *, agreement: float = AGREEMENT, queries: int = QUERIES) -> Tuning:
    """Measure every funnel and every width of a collection. Seconds; raises NotPossible for an empty one."""
    asked = _own_sentences(shelf, queries)
    if not asked:
        raise NotPossible(f"{shelf.name!r} holds no sentences to tune with: ingest something first")
    vectors = shelf.encoder.encode_queries([embedder.fit(text, shelf.encoder)[0] for text in asked])
    index, dims = shelf.index, shelf.index.contract.dims
    exact, full = _run(index, vectors, dims[0], None, [])
    settings = [full]
    settings += [_run(index, vectors, dim, None, exact)[1] for dim in dims[1:]]
    funnels = []
    for dim in dims[1:]:
        for candidates in _CANDIDATES:
            funnels.append(_run(index, vectors, dim, candidates, exact)[1])
            if funnels[-1].agreement >= 1:
                break  # more are slower and can't be better
    good = [one for one in funnels if one.agreement >= agreement and one.p50_ms < full.p50_ms]
    best = min(good, key=lambda one: one.p50_ms, default=None)
    return Tuning(
        queries=len(asked),
        chunks=index.count(),
        measured=datetime.now(UTC),
        settings=tuple(settings + funnels),
        chosen=None if best is None or best.candidates is None else Funnel(best.dim, best.candidates),
    )


class Tunings:
    """The last one of each collection, kept in the ledger."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, collection: str) -> Tuning | None:
        rows = self._db.read("SELECT tuning FROM tunings WHERE collection = ?", collection)
        return _read(json.loads(rows[0]["tuning"])) if rows else None

    def put(self, collection: str, tuning: Tuning) -> None:
        with self._db.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO tunings VALUES (?, ?)",
                (collection, json.dumps({**asdict(tuning), "measured": tuning.measured.isoformat()})),
            )


def _read(fields: dict[str, Any]) -> Tuning:
    return Tuning(
        queries=fields["queries"],
        chunks=fields["chunks"],
        measured=datetime.fromisoformat(fields["measured"]),
        settings=tuple(Setting(**one) for one in fields["settings"]),
        chosen=None if fields["chosen"] is None else Funnel(**fields["chosen"]),
    )


def _own_sentences(shelf: Shelf, number: int) -> list[str]:
    """Sentences of the collection, one of a chunk, from documents drawn at random."""
    chance = random.Random(_SEED)  # noqa: S311 the same sentences every time
    versions = sorted(shelf.ledger.versions(shelf.name))
    chance.shuffle(versions)
    found: list[str] = []
    for version in versions[:number]:
        chunks = shelf.index.chunks(version)
        wanted = max(1, number // max(1, len(versions)))
        drawn = chance.sample(chunks, min(wanted, len(chunks)))
        found += filter(None, (_sentence(one, chance) for one in drawn))
    return found[:number]


def _sentence(chunk: Chunk, chance: random.Random) -> str | None:
    texts = [chunk.text[begin:end] for begin, end in sentences(chunk.text)]
    texts = [text for text in texts if len(text) >= _FEWEST_CHARS]
    return chance.choice(texts) if texts else None


def _run(
    index: Index, vectors: Vectors, dim: int, candidates: int | None, exact: Sequence[set[str]]
) -> tuple[list[set[str]], Setting]:
    """The hits of each query, and the figures; against itself where `exact` is not known yet."""
    funnel = None if candidates is None else Funnel(dim, candidates)
    search: Callable[[Vectors], list[Hit]] = (
        (lambda vector: index.search(vector, limit=_LIMIT, dim=dim, exact=True))
        if funnel is None
        else (lambda vector: index.search(vector, limit=_LIMIT, funnel=funnel))
    )
    hits, milliseconds = [], []
    for vector in vectors:
        begin = time.perf_counter()
        found = search(vector)
        milliseconds.append((time.perf_counter() - begin) * 1e3)
        hits.append({hit.chunk.id for hit in found})
    shares = [len(one & other) / max(1, len(other)) for one, other in zip(hits, exact or hits, strict=True)]
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return hits, Setting(dim, candidates, float(np.mean(shares)), round(float(p50), 3), round(float(p95), 3))
