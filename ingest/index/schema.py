"""How a collection is laid out in Qdrant, whichever engine: vector names, fields, the funnel's width."""

import shutil
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embedder.encoder import Vectors
from embedder.pooling import require_dim, truncate
from ingest.errors import DiskFull, WrongEncoder
from ingest.index.contract import Beside, Between, Contract, Funnel, Quantisation, Where

FIELDS: dict[str, Literal["keyword", "integer"]] = {
    "version": "keyword",
    "documents": "keyword",
    "language": "keyword",
    "position": "integer",
    "marks": "keyword",
}
"""Payload fields with an index: what searches filter by and what is counted. Each makes publishing slower."""
MARKS = "marks"
"""What documents say of a point, as `key=value`: labels, and under names that no label has access, source and
days. Whoever may see a point stands there, if it is everybody: without marks no group sees it."""
_EVERYBODY = "*"
DOCUMENTS = "documents"
"""Ids of the documents a point is cited by; none, and the point is hidden."""
BATCH_POINTS = 500
"""Points in one write: Edge holds the GIL meanwhile, a server takes 32 MB at most."""
FREE_BYTES = 1 << 30
"""Free disk space below which nothing is written: a full disk kills the process that maps the files."""

_UNIT = 1e-3
"""How far a vector's length may be from 1 (bf16 models)."""


def vector_name(dim: int) -> str:
    """Named by width, so that widths can be added later."""
    return f"d{dim}"


CANDIDATES = 200
"""For ten results, unless tuned: kept the top 10 of exact search (tests/ingest/index)."""


def candidates(wanted: int, funnel: Funnel) -> int:
    """How many points the prefix hands to the full vector, for `wanted` results: at least 8 for each."""
    return max(funnel.candidates, 8 * wanted)


def funnel_of(contract: Contract, funnel: Funnel | None) -> Funnel:
    """The one asked for, if its prefix is stored, else the smallest prefix."""
    if funnel is not None and funnel.dim in contract.dims[1:]:
        return funnel
    return Funnel(contract.dims[-1], CANDIDATES)


def quantised(contract: Contract, dim: int) -> Quantisation:
    """How an engine with quantisation of its own keeps the vectors of a width."""
    kept = contract.compression
    return kept.quantisation if kept is not None and kept.dim == dim else "none"


def prefixes(stored: Sequence[Any], dim: int, contract: Contract) -> list[list[list[float]]]:
    """The first `dim` numbers of each point's full vectors, of length 1. stored: named vectors of points."""
    full = vector_name(contract.dims[0])
    return [truncate(np.array(named[full], np.float32), dim).tolist() for named in stored]


def check_vectors(vectors: Vectors, contract: Contract) -> None:
    """Raises ValueError for what an engine would take and then rank wrongly: NaN, other lengths, none."""
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != contract.dims[0]:
        raise ValueError(f"vectors of shape {vectors.shape}, the collection stores {contract.dims[0]} dims")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(lengths).all() or np.abs(lengths - 1).max() > _UNIT:
        raise ValueError("vectors must be finite and of length 1")


TERMS = "terms"
"""The sparse vector's name."""


def named_vectors(vectors: Vectors, contract: Contract, filling: Sequence[int] = ()) -> dict[str, Any]:
    """Of a point: each stored width by its name, rows of numbers. vectors: (windows, full width).

    `filling`: widths that are being added.
    """
    check_vectors(vectors, contract)
    return {vector_name(dim): truncate(vectors, dim).tolist() for dim in (*contract.dims, *filling)}


def with_dim(contract: Contract, dim: int) -> Contract:
    return replace(contract, dims=tuple(sorted({*contract.dims, dim}, reverse=True)))


def without_dim(contract: Contract, dim: int) -> Contract:
    """Raises ValueError for the full width."""
    if dim == contract.dims[0]:
        raise ValueError(f"{dim} dims are the full vector, from which all others are cut")
    return replace(contract, dims=tuple(one for one in contract.dims if one != dim))


def stored_dim(dim: int | None, contract: Contract) -> int:
    """The width to search at: full for None. Raises UnknownDim for one that is not stored."""
    return require_dim(dim, contract.dims, "this collection")


def check_encoder(name: str, stored: Contract, wanted: Contract) -> None:
    """Raises WrongEncoder if the vectors of another encoder, or of other widths, are stored."""
    if stored.fingerprint != wanted.fingerprint:
        raise WrongEncoder(
            f"collection {name!r} was built by {stored.encoder!r}, not by {wanted.encoder!r} as it is now: "
            f"start the service with KALM_MODEL={stored.encoder}, or ingest into a new collection"
        )


def check_disk(folder: Path, free_bytes: int) -> None:
    """Raises DiskFull below `free_bytes` of free space."""
    free = shutil.disk_usage(folder).free
    if free < free_bytes:
        raise DiskFull(
            f"{folder}: {free / 1e9:.1f} GB free, {free_bytes / 1e9:.1f} GB are kept for safety; "
            "free some space, then retry the job. Searching and deleting still work"
        )


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field has one of the values."""

    field: str
    values: tuple[str | int, ...]
    """All of one kind."""


def conditions(where: Where) -> Iterator[OneOf]:
    """What must hold of a point, whichever engine asks. Times hold by the day."""
    if where.languages:
        yield OneOf("language", where.languages)
    if where.documents:
        yield OneOf(DOCUMENTS, where.documents)
    if where.groups is not None:
        yield _marked("access", (_EVERYBODY, *sorted(where.groups)))
    if where.sources:
        yield _marked("source", map(_place_key, where.sources))
    for wanted in where.labels:
        yield OneOf(MARKS, wanted)
    if where.modified:
        yield _marked("modified", _days(where.modified))
    if where.ingested:
        yield _marked("ingested", _days(where.ingested))
    for name, values in where.fields:
        yield OneOf(name, values)


def citing(documents: Iterable[str], beside: Beside) -> dict[str, Any]:
    """The payload of a published point, beside what its chunk says."""
    said = {
        "access": beside.access or (_EVERYBODY,),
        "source": map(_place_key, beside.within),
        "modified": (part for at in beside.modified for part in _day_parts(at)),
        "ingested": (part for at in beside.ingested for part in _day_parts(at)),
    }
    marks = [f"{key}={value}" for key, values in said.items() for value in dict.fromkeys(values)]
    return {DOCUMENTS: sorted(documents), MARKS: [*marks, *beside.labels]}


def _marked(key: str, values: Iterable[str]) -> OneOf:
    return OneOf(MARKS, tuple(f"{key}={value}" for value in values))


def _place_key(uri: str) -> str:
    """A URI in 14 letters: each point has those of all folders above it, whose names are long."""
    return blake2b(uri.encode(), digest_size=7).hexdigest()


_PARTS = (3, 4, 7, 10)
"""Letters of 2024-05-17 that name its decade, year, month and day."""


def _day_parts(seconds: int) -> list[str]:
    day = datetime.fromtimestamp(seconds, UTC).date().isoformat()
    return [day[:part] for part in _PARTS]


def _days(wanted: Between) -> Iterator[str]:
    """The fewest decades, years, months and days that make up a period.

    >>> list(_days(Between(datetime(2019, 12, 31, tzinfo=UTC), datetime(2021, 2, 1, tzinfo=UTC))))
    ['2019-12-31', '2020', '2021-01', '2021-02-01']
    """
    day = date.min if wanted.since is None else wanted.since.astimezone(UTC).date()
    last = date.max if wanted.until is None else wanted.until.astimezone(UTC).date()
    while day <= last:
        for part in _PARTS:
            begin, end = _bounds(day.isoformat()[:part])
            if day == begin and end <= last:
                break
        yield day.isoformat()[:part]
        if end == date.max:
            return
        day = end + timedelta(days=1)


def _bounds(part: str) -> tuple[date, date]:
    """First and last day of a decade, year, month or day."""
    years = (f"{part}0", f"{part}9") if len(part) == 3 else (part[:4], part[:4])
    month, day = part[5:7], part[8:10]
    begin = date(max(1, int(years[0])), int(month or 1), int(day or 1))
    if day:
        return begin, begin
    end = date(int(years[1]), int(month or 12), 1)
    return begin, end.replace(day=monthrange(end.year, end.month)[1])


def in_batches(total: int) -> Sequence[slice]:
    return [slice(start, start + BATCH_POINTS) for start in range(0, total, BATCH_POINTS)]
