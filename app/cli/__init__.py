"""The `kalm` command: thin, over the service's HTTP client; each command imports what it needs."""

import os
import sys

import tyro

from app.cli import ask, collections, documents, evaluate, ingest, jobs, machine, sources, start, train
from app.cli.terminal import note

COMMANDS = tyro.extras.SubcommandApp()
for command in (
    start.up,
    start.serve,
    start.ui,
    ingest.ingest,
    sources.sources,
    ask.search,
    ask.similar,
    ask.ask,
    evaluate.evaluate,
    collections.collections,
    documents.documents,
    jobs.jobs,
    train.train,
    machine.doctor,
    machine.key,
    machine.embed,
):
    COMMANDS.command(command)


def main() -> None:
    """Run a command; what a person can act on is one line on stderr, without a traceback."""
    try:
        COMMANDS.cli(prog="kalm", description="Search and question documents in any language.")
        sys.stdout.flush()  # here a closed pipe is still ours to handle
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        note(f"kalm: {message}")
        sys.exit(1)


def _explain(error: Exception) -> str | None:
    """What a person can act on; None for what nobody expected. Imports only now: help is fast without."""
    from pydantic import ValidationError

    from app.client import ServiceError
    from embedder.errors import EncoderError
    from ingest.errors import StoreError

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        return f"{f'KALM_{name.upper()}' if error.title == 'Settings' else name}: {first['msg']}"
    return str(error) if isinstance(error, ServiceError | EncoderError | StoreError | ValueError) else None
