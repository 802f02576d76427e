"""`kalm doctor`, `kalm key`, `kalm embed`: what needs no service."""

import sys
from pathlib import Path
from typing import Literal

from tyro.conf import Positional, UseAppendAction


def doctor() -> None:
    """Say what is there and what is not, each with the line that mends it."""
    from app.doctor import examine
    from app.settings import Settings

    well = True
    for finding in examine(Settings()):
        print(f"{'ok ' if finding.ok else 'NO ' if finding.needed else '-  '} {finding.what}", flush=True)
        if finding.advice:
            print(f"     {finding.advice}", flush=True)
        well = well and (finding.ok or not finding.needed)
    sys.exit(0 if well else 1)


def key(
    role: Positional[Literal["reader", "editor", "admin"]],
    *,
    group: UseAppendAction[tuple[str, ...]] = (),
) -> None:
    """Make an API key. It is shown once; the service keeps only its hash.

    Args:
        group: Sees the documents of this group too, beside those for everybody. May be given more than once.
    """
    from app.keys import Keys, hash_key, new_key

    made = new_key()
    entry = ":".join([role, hash_key(made), *(["+".join(group)] if group else [])])
    Keys.parse(entry, None)
    print(f"For the client, as KALM_API_KEY or bearer token:\n  {made}")
    print(f"For the service, in KALM_API_KEYS:\n  {entry}")


def embed(
    model: Positional[str],
    source: Positional[Path],
    target: Positional[Path],
    *,
    kind: Literal["query", "document"] = "document",
    dim: int | None = None,
) -> None:
    """Encode a file of texts (.jsonl, .parquet, .txt) into a file of vectors; needs no service.

    Args:
        target: .npy, .jsonl or .parquet.
        model: A name that `kalm doctor` lists, or a folder. `python -m embedder --help` has more options.
    """
    from embedder.__main__ import Command, run
    from embedder.files import Order

    sys.exit(run(Command(model, source, target, Order(kind, dim))))
