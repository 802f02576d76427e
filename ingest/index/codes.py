"""Vectors -> compressed codes in fixed-size rows, and how near each row is to a query.

A code finds candidates; the full vector in the engine orders them. What a kind costs per row, at `dim`:
float16 2 * dim bytes, int8 dim bytes, binary dim / 8 bytes and a key of at most 128 bytes.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from embedder.encoder import Vectors
from embedder.pooling import normalise, truncate
from ingest.index.contract import Compression

Rows = npt.NDArray[Any]
"""(rows,) of `row_type`."""

KEY_DIM = 128
"""Widest prefix that says in which cell a row belongs."""
_LANGUAGE_BYTES = 12
_WORD_BITS = 64


def row_type(compression: Compression) -> np.dtype[Any]:
    """One window of one point. A point of several windows has as many rows."""
    dim = compression.dim
    code: dict[str, list[tuple[Any, ...]]] = {
        "none": [("code", "f2", (dim,))],
        "int8": [("scale", "f4"), ("code", "i1", (dim,))],
        "binary": [("key", "i1", (min(dim, KEY_DIM),)), ("code", "u8", (-(-dim // _WORD_BITS),))],
    }
    return np.dtype([("id", "V16"), ("language", f"S{_LANGUAGE_BYTES}"), *code[compression.quantisation]])


def encode(
    ids: Sequence[str], languages: Sequence[str], vectors: Sequence[Vectors], compression: Compression
) -> Rows:
    """The rows of points; `vectors` of each are (windows, full width), of length 1."""
    windows = [len(one) for one in vectors]
    rows = np.zeros(sum(windows), row_type(compression))
    rows["id"] = np.repeat(np.array([UUID(one).bytes for one in ids], "V16"), windows)
    rows["language"] = np.repeat(np.array([name(one) for one in languages]), windows)
    cut = truncate(np.concatenate(vectors), compression.dim)
    if compression.quantisation == "none":
        rows["code"] = cut
    elif compression.quantisation == "int8":
        rows["scale"] = np.abs(cut).max(axis=1) / 127
        rows["code"] = _int8(cut)
    else:
        rows["key"] = _int8(truncate(cut, min(KEY_DIM, compression.dim)))
        rows["code"] = _bits(cut)
    return rows


def name(language: str) -> bytes:
    """As stored in a row; longer ones are cut."""
    return language.encode()[:_LANGUAGE_BYTES]


def keys(rows: Rows) -> Vectors:
    """(rows, at most KEY_DIM), length 1: what cells are made of."""
    field = "key" if "key" in (rows.dtype.names or ()) else "code"
    return normalise(rows[field][:, :KEY_DIM].astype(np.float32))


def key(vector: Vectors, compression: Compression) -> Vectors:
    """Of a query's full vector `(dim,)`: (1, at most KEY_DIM)."""
    return truncate(vector[None], min(KEY_DIM, compression.dim))


def scores(rows: Sequence[Rows], vector: Vectors, compression: Compression) -> npt.NDArray[np.float32]:
    """How near each row is to a query `(full width,)`, higher is nearer: (all rows,) in the order given.

    Cosines of the codes; for binary the share of equal bits, which orders alike and means less.
    """
    total = sum(map(len, rows))
    query = truncate(vector[None], compression.dim)
    if compression.quantisation == "binary":
        bits = _bits(query)[0]
        near = np.empty(total, np.float32)
        for at, part in _places(rows):
            near[at] = (
                1 - np.bitwise_count(part["code"] ^ bits).sum(axis=1, dtype=np.uint16) / compression.dim
            )
        return near
    near = np.empty(total, np.float32)
    for at, part in _blocks(rows):
        near[at] = part @ query[0]
    if compression.quantisation == "int8":
        for at, one in _places(rows):
            near[at] *= one["scale"]
    return near


def decoded(vectors: Vectors, compression: Compression) -> Vectors:
    """What codes keep of full vectors, (n, dim): products with `decoded_queries` order as `scores` do."""
    cut = truncate(vectors, compression.dim)
    if compression.quantisation == "none":
        return cut.astype(np.float16).astype(np.float32)
    if compression.quantisation == "int8":
        rows: Vectors = _int8(cut) * (np.abs(cut).max(axis=1, keepdims=True) / 127)
        return rows
    return np.where(cut > 0, np.float32(1), np.float32(-1))


def decoded_queries(vectors: Vectors, compression: Compression) -> Vectors:
    """Queries as they are compared with `decoded`, (n, dim): only binary codes turn them into codes too."""
    if compression.quantisation == "binary":
        return decoded(vectors, compression)
    return truncate(vectors, compression.dim)


_BLOCK = 2048
"""Rows turned to float32 at a time: they stay in the processor's cache."""


def _blocks(rows: Sequence[Rows]) -> Any:
    """Codes as float32, some thousand rows at a time however short the parts are, and where they stand."""
    buffer: Vectors | None = None
    begin = filled = 0
    for part in rows:
        codes = part["code"]
        if buffer is None:
            buffer = np.empty((_BLOCK, codes.shape[1]), np.float32)
        for at in range(0, len(codes), _BLOCK):
            piece = codes[at : at + _BLOCK]
            if filled + len(piece) > _BLOCK:
                yield slice(begin, begin + filled), buffer[:filled]
                begin, filled = begin + filled, 0
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
    if buffer is not None and filled:
        yield slice(begin, begin + filled), buffer[:filled]


def _places(rows: Sequence[Rows]) -> Any:
    begin = 0
    for part in rows:
        yield slice(begin, begin + len(part)), part
        begin += len(part)


def _int8(vectors: Vectors) -> npt.NDArray[np.int8]:
    """Each row by its own largest number: (n, dim)."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled: npt.NDArray[np.int8] = np.rint(vectors * (127 / np.maximum(largest, 1e-12))).astype(np.int8)
    return scaled


def _bits(vectors: Vectors) -> npt.NDArray[np.uint64]:
    """One bit a number, its sign: (n, words of 64 bits), padded by zeros."""
    padding = -vectors.shape[1] % _WORD_BITS
    signs = np.pad(vectors > 0, ((0, 0), (0, padding)))
    return np.packbits(signs, axis=1).view(np.uint64)
