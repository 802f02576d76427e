"""`python -m embedder MODEL INPUT OUTPUT`: a file of texts into a file of vectors."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import tyro
from tyro.conf import OmitArgPrefixes, Positional

import embedder
from embedder.errors import EncoderError
from embedder.files import Account, Order, embed_file
from embedder.files.reading import count_rows


@dataclass(frozen=True)
class Command:
    """Encode each text of a file. Killed or interrupted, the same command goes on where it was."""

    model: Positional[str]
    """A name of the catalog, a folder, or a hub id that was downloaded before."""
    source: Positional[Path]
    """.jsonl, .parquet or .txt, one text a line or row."""
    target: Positional[Path]
    """.npy, .jsonl or .parquet."""
    order: OmitArgPrefixes[Order] = field(default_factory=Order)
    device: str = "auto"
    """cuda, npu, mps, cpu or auto."""
    precision: str = "auto"
    """fp32, bf16, int8 (CPU) or auto."""
    threads: int | None = None
    """CPU threads."""
    progress: bool = sys.stderr.isatty()
    """Say how far it is."""


def run(command: Command) -> int:
    """Exit status: 0, or 1 with the reason on stderr."""
    try:
        encoder = embedder.load(command.model, command.device, command.precision, threads=command.threads)
        say = _progress(count_rows(command.source)) if command.progress else _silent
        done = embed_file(command.source, command.target, encoder, command.order, say)
    except (EncoderError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 a command line
        return 1
    notes = [f"{done.rows} rows, {done.tokens} tokens, by {encoder.name} on {encoder.device}"]
    if done.dropped_tokens:
        notes.append(f"{done.dropped_tokens} tokens were cut off")
    if done.bad_rows:
        notes.append(f"{done.bad_rows} rows had no text, their vectors are zeros")
    print(f"{command.target}: {'; '.join(notes)}", file=sys.stderr)  # noqa: T201
    return 0


def _silent(_: Account) -> None:
    pass


def _progress(total: int) -> Callable[[Account], None]:
    """Says how far it is, after each chunk, on one line."""
    begin = time.monotonic()
    before: Account | None = None

    def say(account: Account) -> None:
        nonlocal before
        if before is None:  # the first call tells what an earlier run had done
            before = replace(account)
            return
        seconds = time.monotonic() - begin
        rows_s = (account.rows - before.rows) / seconds
        tokens_s = (account.tokens - before.tokens) / seconds
        left_s = (total - account.rows) / rows_s if rows_s else 0
        line = f"{account.rows} of {total} rows, {tokens_s:.0f} tokens/s, {left_s / 60:.0f} min left"
        print(f"\r{line:<70}", end="", file=sys.stderr, flush=True)  # noqa: T201

    return say


if __name__ == "__main__":
    sys.exit(run(tyro.cli(Command)))
