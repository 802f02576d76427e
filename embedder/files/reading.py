"""A file of texts -> its rows, one by one; what is wrong with a row is said, not raised."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.errors import BadFile

_IDS = ("id", "_id")
"""Fields that name a row, ours and BEIR's; without one it is its number."""


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    """1-based line, or row of a table."""
    id: str
    text: str | None
    """None if there is none, and then `problem` says why."""
    problem: str = ""


def read(path: Path, field: str) -> Iterator[Row]:
    """Raises BadFile for a format that is not known or a file that can't be read."""
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise BadFile(
            f"{path}: can read {', '.join(_READERS)}, not {path.suffix or 'a file without an ending'}"
        )
    try:
        yield from reader(path, field)
    except OSError as error:
        raise BadFile(f"{path} can't be read: {error.strerror or error}") from error


def count_rows(path: Path) -> int:
    """How many rows there are at most, without reading them closely; 0 if nobody can say."""
    try:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            rows: int = parquet.ParquetFile(path).metadata.num_rows
            return rows
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) + 1
    except (OSError, ValueError):  # pyarrow's errors are ValueErrors
        return 0  # `read` says what is wrong


def _json_lines(path: Path, field: str) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:  # no JSON, or no UTF-8
                yield Row(number, str(number), None, f"no JSON: {error}")
                continue
            if isinstance(found, dict):
                yield _row(number, found, field)
            else:
                yield Row(number, str(number), None, f"a JSON {type(found).__name__}, not an object")


def _table(path: Path, field: str) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path)
        names = table.schema_arrow.names
        if field not in names:
            raise BadFile(f"{path} has no column {field!r}; it has {', '.join(names)}: name one by --field")
        columns = [name for name in (field, *_IDS) if name in names]
        number = 0
        for batch in table.iter_batches(columns=columns):
            for found in batch.to_pylist():
                number += 1
                yield _row(number, found, field)
    except pyarrow.ArrowException as error:
        raise BadFile(f"{path} is no parquet file: {error}") from error


def _lines(path: Path, field: str) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield Row(number, str(number), line.decode().rstrip("\r\n"))
            except UnicodeDecodeError as error:
                yield Row(number, str(number), None, f"no UTF-8: {error.reason} at byte {error.start}")


def _row(number: int, found: dict[str, Any], field: str) -> Row:
    name = next((str(found[key]) for key in _IDS if found.get(key) is not None), str(number))
    text = found.get(field)
    if isinstance(text, str):
        return Row(number, name, text)
    problem = f"no {field!r}" if text is None else f"{field!r} is a {type(text).__name__}, not a text"
    return Row(number, name, None, problem)


_READERS: dict[str, Callable[[Path, str], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".parquet": _table,
    ".txt": _lines,
}
