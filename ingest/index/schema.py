"""How a collection is laid out in Qdrant, whichever engine: vector names, fields, the funnel's width."""

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    "access": "keyword",
    "labels": "keyword",
    "within": "integer",
    "modified": "integer",
    "ingested": "integer",
}
"""Payload fields with an index: what searches filter by and what is counted."""
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
    """A field has one of the values; or is empty, where that will do."""

    field: str
    values: tuple[str | int, ...]
    """All of one kind."""
    or_empty: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A number of the field lies between, bounds included."""

    field: str
    low: float | None
    high: float | None


def conditions(where: Where) -> Iterator[OneOf | Range]:
    """What must hold of a point, whichever engine asks."""
    if where.languages:
        yield OneOf("language", where.languages)
    if where.documents:
        yield OneOf(DOCUMENTS, where.documents)
    if where.groups is not None:
        yield OneOf("access", tuple(sorted(where.groups)), or_empty=True)
    if where.sources:
        yield OneOf("within", tuple(map(place_key, where.sources)))
    for wanted in where.labels:
        yield OneOf("labels", wanted)
    if where.modified:
        yield _range("modified", where.modified)
    if where.ingested:
        yield _range("ingested", where.ingested)
    for name, values in where.fields:
        yield OneOf(name, values)


def _range(name: str, wanted: Between) -> Range:
    """In whole seconds, as they are stored, and as wide as needed."""
    since = None if wanted.since is None else float(math.floor(wanted.since.timestamp()))
    until = None if wanted.until is None else float(math.ceil(wanted.until.timestamp()))
    return Range(name, since, until)


def citing(documents: Iterable[str], beside: Beside) -> dict[str, Any]:
    """The payload of a published point, beside what its chunk says."""
    return {
        DOCUMENTS: sorted(documents),
        "access": list(beside.access),
        "labels": list(beside.labels),
        "within": [place_key(uri) for uri in beside.within],
        "modified": list(beside.modified),
        "ingested": list(beside.ingested),
    }


def place_key(uri: str) -> int:
    """A URI in 56 bits: each point has those of all folders above it, whose names are long."""
    return int.from_bytes(blake2b(uri.encode(), digest_size=7).digest())


def in_batches(total: int) -> Sequence[slice]:
    return [slice(start, start + BATCH_POINTS) for start in range(0, total, BATCH_POINTS)]
