"""A file of texts -> a file of vectors, chunk by chunk; killed at any moment, it goes on where it was.

Beside the output lie, until it is complete, `OUTPUT.partial` (the vectors so far, raw) and
`OUTPUT.journal` (for what they were made, and how many are safe on disk). The output itself appears
only when it is whole.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from embedder.encoder import Encoder, Vectors
from embedder.errors import BadFile, TextTooLong
from embedder.files.reading import Row, read
from embedder.files.writing import require_writable, write
from embedder.fitting import fit
from embedder.pooling import require_dim

CHUNK_CHARS = 100_000
"""Characters between two points to resume from: some 25,000 tokens, ten seconds of KaLM on two cores."""
CHUNK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made of a file. Another order does not go on where this one stopped."""

    kind: Literal["query", "document"] = "document"
    dim: int | None = None
    """None is the model's full width."""
    task: str | None = None
    """For queries, see `Encoder.encode_queries`."""
    field: str = "text"
    """Of a JSON line, or column of a table."""
    too_long: Literal["error", "cut"] = "error"
    on_bad: Literal["error", "skip"] = "error"
    """Rows without a text; the vector of one that was skipped is zeros, so that rows keep their numbers."""
    dtype: Literal["float32", "float16"] = "float32"


@dataclass(slots=True)
class Account:
    """What was done so far."""

    rows: int = 0
    tokens: int = 0
    dropped_tokens: int = 0
    """Cut off texts that were too long."""
    bad_rows: int = 0


def embed_file(
    source: Path,
    target: Path,
    encoder: Encoder,
    order: Order,
    progress: Callable[[Account], None] = lambda _: None,
) -> Account:
    """Encode each text of `source` (.jsonl, .parquet, .txt) into `target` (.npy, .jsonl, .parquet).

    Memory stays flat, whatever the size. `progress` is told what was done before, then after every chunk.
    Raises BadFile naming file and line, TextTooLong naming the row unless `order` has it cut, OSError if
    the disk is full.
    """
    require_writable(target)
    dim = require_dim(order.dim, encoder.dims, encoder.name)
    partial, journal = (target.with_name(target.name + end) for end in (".partial", ".journal"))
    if target.exists():
        raise BadFile(f"{target} is there already: delete it, or name another file")
    made_for = {
        "input": [str(source.resolve()), *_identity(source)],
        "encoder": [encoder.fingerprint, encoder.device],
        "order": asdict(order),
    }
    with _alone(partial) as file:
        account = _resume(journal, made_for)
        progress(account)
        row_bytes = dim * np.dtype(order.dtype).itemsize
        file.truncate(account.rows * row_bytes)
        file.seek(0, os.SEEK_END)
        for chunk in _chunks(read(source, order.field), skip=account.rows):
            vectors = _encode(chunk, encoder, order, account, source)
            file.write(np.ascontiguousarray(vectors, order.dtype).tobytes())
            file.flush()
            os.fsync(file.fileno())
            account.rows += len(chunk)
            _replace(journal, json.dumps({**made_for, "account": asdict(account)}))
            progress(account)
        vectors = (
            np.memmap(partial, order.dtype, "r", shape=(account.rows, dim))
            if account.rows
            else np.zeros((0, dim), order.dtype)  # nothing can't be mapped
        )
        write(target, vectors, read(source, order.field))
    journal.unlink(missing_ok=True)
    partial.unlink()
    return account


def _encode(chunk: list[Row], encoder: Encoder, order: Order, account: Account, source: Path) -> Vectors:
    """One vector for each row of the chunk, (rows, dim)."""
    vectors = np.zeros((len(chunk), order.dim or encoder.dim), np.float32)
    texts: list[str] = []
    good: list[int] = []
    for at, row in enumerate(chunk):
        if row.text is None:
            if order.on_bad == "error":
                raise BadFile(f"{source}, line {row.number}: {row.problem}; --on-bad skip goes on without it")
            account.bad_rows += 1
            continue
        text, tokens = row.text, len(encoder.token_spans(row.text))
        if tokens > encoder.room:
            if order.too_long == "error":
                raise TextTooLong(
                    f"{source}, line {row.number}: {tokens} tokens, {encoder.name} takes {encoder.room}; "
                    "--too-long cut keeps the beginning"
                )
            text, dropped = fit(text, encoder)
            account.dropped_tokens += dropped
            tokens -= dropped
        account.tokens += tokens
        texts.append(text)
        good.append(at)
    if order.kind == "query":
        vectors[good] = encoder.encode_queries(texts, order.task, order.dim)
    else:
        vectors[good] = encoder.encode_documents(texts, order.dim)
    return vectors


def _chunks(rows: Iterator[Row], skip: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    chars = 0
    for position, row in enumerate(rows):
        if position < skip:
            continue
        chunk.append(row)
        chars += len(row.text or "")
        if chars >= CHUNK_CHARS or len(chunk) >= CHUNK_ROWS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def _identity(source: Path) -> list[int]:
    """Size and time of the last change. Raises BadFile."""
    try:
        found = source.stat()
    except OSError as error:
        raise BadFile(f"{source} can't be read: {error.strerror}") from error
    return [found.st_size, found.st_mtime_ns]


def _resume(journal: Path, made_for: dict[str, object]) -> Account:
    """Where an interrupted run stopped, from the beginning if there was none. Raises BadFile."""
    if not journal.exists():
        return Account()
    found = json.loads(journal.read_text(encoding="utf-8"))
    account = Account(**found.pop("account"))
    changed = [name for name, value in made_for.items() if found.get(name) != value]
    if changed:
        raise BadFile(
            f"{journal} was begun with another {' and another '.join(changed)}: delete it and its .partial "
            "to begin anew, or run what it was begun with"
        )
    return account


def _alone(partial: Path) -> BinaryIO:
    """The open file, that no other process may write meanwhile. Raises BadFile."""
    try:
        file = partial.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadFile(f"{partial} is being written by another process") from error
    except OSError as error:
        raise BadFile(f"{partial} can't be written: {error.strerror}") from error
    return file


def _replace(path: Path, text: str) -> None:
    """Put a file in place whole, whatever happens meanwhile."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
