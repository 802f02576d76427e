"""Vectors and their rows' names -> a file, in place only when it is whole."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.errors import BadFile
from embedder.files.reading import Row

_ROWS = 4096
"""Written at once."""


def write(target: Path, vectors: NDArray[Any], rows: Iterator[Row]) -> None:
    """vectors: (n, dim), which may be mapped from disk; rows: the n they belong to. Raises BadFile."""
    writer = _writer(target)
    new = target.with_name(f"{target.name}.new{target.suffix}")
    writer(new, vectors, rows)
    new.replace(target)


def require_writable(target: Path) -> None:
    """Raises BadFile for a format that is not known, before any work is done."""
    _writer(target)


def _writer(target: Path) -> Callable[[Path, NDArray[Any], Iterator[Row]], None]:
    if target.suffix not in _WRITERS:
        raise BadFile(f"{target}: can write {', '.join(_WRITERS)}")
    return _WRITERS[target.suffix]


def _npy(path: Path, vectors: NDArray[Any], rows: Iterator[Row]) -> None:
    whole = np.lib.format.open_memmap(path, "w+", vectors.dtype, vectors.shape)
    for begin in range(0, len(vectors), _ROWS):
        whole[begin : begin + _ROWS] = vectors[begin : begin + _ROWS]
    whole.flush()


def _json_lines(path: Path, vectors: NDArray[Any], rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row, vector in zip(rows, vectors, strict=True):
            file.write(json.dumps({"id": row.id, "vector": vector.tolist()}) + "\n")


def _table(path: Path, vectors: NDArray[Any], rows: Iterator[Row]) -> None:
    import pyarrow
    from pyarrow import parquet

    width = vectors.shape[1]
    schema = pyarrow.schema(
        [("id", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.from_numpy_dtype(vectors.dtype), width))]
    )
    with parquet.ParquetWriter(path, schema) as file:
        for begin in count(0, _ROWS):
            part = np.asarray(vectors[begin : begin + _ROWS])
            if not len(part):
                break
            names = [next(rows).id for _ in part]
            column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(part.reshape(-1)), width)
            file.write_table(pyarrow.table([pyarrow.array(names), column], schema=schema))


_WRITERS: dict[str, Callable[[Path, NDArray[Any], Iterator[Row]], None]] = {
    ".npy": _npy,
    ".jsonl": _json_lines,
    ".parquet": _table,
}
