"""The dial: what each width, quantisation and number of candidates gives on a collection's own sentences.

Measured, not assumed. Agreement is the share of the ten hits of an exact search over the full vectors that is
among a way's candidates, so among its hits: the full vector orders them. It is counted over all points. The
time is that of a search as it would be done, over codes made for it in a folder that goes away.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import embedder
from embedder.encoder import Vectors
from ingest.database import Database
from ingest.errors import NotPossible
from ingest.index import codes
from ingest.index.coarse import VISIT_ROWS, Codes
from ingest.index.contract import Compression, Funnel, Index, Quantisation
from ingest.pipeline import Shelf
from ingest.records import Chunk, Hit
from ingest.sentences import sentences

QUERIES = 100
AGREEMENT = 0.99
"""Share of the ten hits of exact search that a funnel keeps."""
CANDIDATES = (25, 50, 100, 200, 400, 800)
QUANTISATIONS: tuple[Quantisation, ...] = ("none", "int8", "binary")
_LIMIT = 10
_SEED = 0
_FEWEST_CHARS = 20
_BLOCK = 20_000
"""Points compared with the queries at a time."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to search, measured."""

    dim: int
    candidates: int | None
    """For ten results; None is a search at `dim` alone."""
    agreement: float
    """With the ten hits of exact search, 0 to 1."""
    p50_ms: float | None
    """None where an engine's own quantisation must be applied to be timed."""
    p95_ms: float | None
    quantisation: Quantisation | None = None
    """Of the codes that find candidates; None for a search at `dim` alone."""
    memory_bytes: int = 0
    """Of what is looked through to find candidates, or of the vectors at `dim`."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The curves of a collection, the funnel that is best, and the one in use."""

    queries: int
    chunks: int
    """In the collection, when it was measured."""
    measured: datetime
    settings: tuple[Setting, ...]
    chosen: Funnel | None
    """The fastest that keeps enough; None if none does."""
    applied: Funnel | None = None
    """What searches go through; None: what a collection begins with."""
    previous: tuple[Funnel, ...] = ()
    """What they went through before, the last one last."""
    applying: Funnel | None = None
    """What is being made just now; begun again at a start."""
    problem: str | None = None
    """Why the last one could not be applied."""


def tune(shelf: Shelf, *, agreement: float = AGREEMENT, queries: int = QUERIES) -> Tuning:
    """Measure every width and funnel. Seconds to minutes; raises NotPossible for an empty collection."""
    asked = _own_sentences(shelf, queries)
    if not asked:
        raise NotPossible(f"{shelf.name!r} holds no sentences to tune with: ingest something first")
    vectors = shelf.encoder.encode_queries([embedder.fit(text, shelf.encoder)[0] for text in asked])
    index, dims = shelf.index, shelf.index.contract.dims
    exact, full = _alone(index, vectors, dims[0], [])
    settings = [full] + [_alone(index, vectors, dim, exact)[1] for dim in dims[1:]]
    widths = sorted({dim for dim in shelf.encoder.dims if dim <= dims[0]}, reverse=True)
    kinds = [Compression(dim, kind) for dim in widths for kind in QUANTISATIONS]
    funnels: list[Setting] = []
    ranks, sample, rows = _ranks(index, vectors, exact, kinds)
    for kind in kinds:
        funnels += _funnels(index, vectors, kind, ranks[kind], sample, rows)
    return Tuning(
        queries=len(asked),
        chunks=index.count(),
        measured=datetime.now(UTC),
        settings=tuple(settings + funnels),
        chosen=_best(full, funnels, agreement),
    )


def _best(full: Setting, funnels: Sequence[Setting], agreement: float) -> Funnel | None:
    """The fastest that keeps enough, or where times are not known the smallest; None if none is faster."""
    good = [one for one in funnels if one.agreement >= agreement and (one.p50_ms or 0) < (full.p50_ms or 1)]
    found = min(good, key=lambda one: (one.p50_ms or 0, one.memory_bytes, one.candidates or 0), default=None)
    return None if found is None else funnel_of(found)


def funnel_of(setting: Setting) -> Funnel:
    assert setting.candidates is not None
    return Funnel(setting.dim, setting.candidates, setting.quantisation)


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
    def funnel(found: dict[str, Any] | None) -> Funnel | None:
        return Funnel(**found) if found else None

    return Tuning(
        queries=fields["queries"],
        chunks=fields["chunks"],
        measured=datetime.fromisoformat(fields["measured"]),
        settings=tuple(Setting(**one) for one in fields["settings"]),
        chosen=funnel(fields["chosen"]),
        applied=funnel(fields.get("applied", fields["chosen"])),
        previous=tuple(Funnel(**one) for one in fields.get("previous", ())),
        applying=funnel(fields.get("applying")),
        problem=fields.get("problem"),
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


def _alone(
    index: Index, vectors: Vectors, dim: int, exact: Sequence[set[str]]
) -> tuple[list[set[str]], Setting]:
    """The hits of exact searches at a width, and the figures; against itself where `exact` is empty."""
    hits: list[set[str]] = []

    def search(vector: Vectors) -> None:
        found = index.search(vector, limit=_LIMIT, dim=dim, exact=True)
        hits.append({hit.chunk.id for hit in found})

    p50, p95 = _timed(search, vectors)
    shares = [len(one & other) / max(1, len(other)) for one, other in zip(hits, exact or hits, strict=True)]
    memory = index.count() * dim * np.dtype(np.float16).itemsize
    return hits, Setting(dim, None, float(np.mean(shares)), p50, p95, memory_bytes=memory)


def _ranks(
    index: Index, vectors: Vectors, exact: Sequence[set[str]], kinds: Sequence[Compression]
) -> tuple[dict[Compression, list[list[int]]], tuple[list[str], list[Vectors]], int]:
    """Where each query's exact hits stand among all points, by each kind of codes: 0 is the nearest.

    And some of the points, with all rows that a search looks at, and how many rows there are in all.
    """
    near = {kind: _Nearest(codes.decoded_queries(vectors, kind)) for kind in kinds}
    sample: tuple[list[str], list[Vectors]] = ([], [])
    ids: list[str] = []
    points: list[Vectors] = []
    rows = 0

    def flush() -> None:
        nonlocal ids, points
        if not ids:
            return
        begins = np.cumsum([0, *(len(one) for one in points[:-1])])
        full = np.concatenate(points)
        for kind, ranking in near.items():
            ranking.add(
                ids, np.maximum.reduceat(codes.decoded(full, kind) @ ranking.queries.T, begins, axis=0)
            )
        ids, points = [], []

    for some, stored in index.all_vectors():
        ids += some
        points += stored
        rows += sum(map(len, stored))
        if sum(map(len, sample[1])) < VISIT_ROWS:
            sample[0].extend(some)
            sample[1].extend(stored)
        if len(ids) >= _BLOCK:
            flush()
    flush()
    return {kind: ranking.ranks(exact) for kind, ranking in near.items()}, sample, rows


class _Nearest:
    """The nearest points to each query among those seen so far."""

    def __init__(self, queries: Vectors) -> None:
        self.queries = queries
        self._scores = np.zeros((len(queries), 0), np.float32)
        self._ids: npt.NDArray[np.str_] = np.zeros((len(queries), 0), "U36")

    def add(self, ids: Sequence[str], scores: npt.NDArray[np.float32]) -> None:
        """scores: (points, queries)."""
        everything = np.concatenate([self._scores, scores.T], axis=1)
        most = min(CANDIDATES[-1], everything.shape[1])
        best = np.argsort(-everything, axis=1, kind="stable")[:, :most]
        known = self._ids.shape[1]
        new = np.array(ids)[np.maximum(best - known, 0)]
        if known:
            new = np.where(best < known, np.take_along_axis(self._ids, np.minimum(best, known - 1), 1), new)
        self._scores, self._ids = np.take_along_axis(everything, best, 1), new

    def ranks(self, exact: Sequence[set[str]]) -> list[list[int]]:
        """Of each query's exact hits; those that are not among the nearest have the highest rank of all."""
        found = []
        for hits, row in zip(exact, self._ids.tolist(), strict=True):
            places = {one: rank for rank, one in enumerate(row)}
            found.append([places.get(hit, CANDIDATES[-1]) for hit in hits])
        return found


def _funnels(
    index: Index,
    vectors: Vectors,
    kind: Compression,
    ranks: Sequence[Sequence[int]],
    sample: tuple[list[str], list[Vectors]],
    rows: int,
) -> list[Setting]:
    """One kind of codes with more and more candidates, until more can't be better."""
    memory = rows * codes.row_type(kind).itemsize
    found: list[Setting] = []
    with tempfile.TemporaryDirectory() as folder:
        made = Codes(Path(folder), kind)
        made.add(sample[0], [""] * len(sample[0]), sample[1])
        for candidates in CANDIDATES:
            shares = [float(np.mean([rank < candidates for rank in one])) if one else 1.0 for one in ranks]
            p50 = p95 = None
            if not index.has_own_quantisation:
                p50, p95 = _timed(_searcher(index, made, candidates), vectors)
            found.append(
                Setting(kind.dim, candidates, float(np.mean(shares)), p50, p95, kind.quantisation, memory)
            )
            if found[-1].agreement >= 1:
                break
        made.close()
    return found


def _searcher(index: Index, made: Codes, candidates: int) -> Callable[[Vectors], list[Hit]]:
    return lambda vector: index.order(vector, made.nearest(vector, candidates, ()), limit=_LIMIT)


def _timed(search: Callable[[Vectors], object], vectors: Vectors) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    milliseconds = []
    for vector in vectors:
        begin = time.perf_counter()
        search(vector)
        milliseconds.append((time.perf_counter() - begin) * 1e3)
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return round(float(p50), 3), round(float(p95), 3)
