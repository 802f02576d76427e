"""An evaluation pack -> a table: each task ingested, searched and scored as a user's own documents would be.

A pack is a folder of BEIR folders. Everything happens in a temporary data folder.
"""

import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.evaluation.schemas import NewRuns, Run
from app.evaluation.sets import corpus_of
from app.schemas import Ranking
from app.service import Service
from app.settings import Settings

_FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class TaskResult:
    task: str
    languages: list[str]
    """Of the queries, the most frequent first."""
    documents: int
    runs: list[Run]
    """One per ranking, in the order asked for."""


def evaluate_pack(
    pack: Path, settings: Settings, rankings: Sequence[Ranking], only: Sequence[str] = ()
) -> Iterator[TaskResult]:
    """Each retrieval task of `pack` in turn, by name; of those that begin with one of `only`, if any.

    Raises ValueError if there is none, or if a task's files can't be read or ingested.
    """
    folders = sorted(
        path.parent
        for path in pack.glob("*/qrels.tsv")
        if not only or path.parent.name.startswith(tuple(only))
    )
    if not folders:
        chosen = f" that begins with {' or '.join(only)}" if only else ""
        raise ValueError(f"{pack} holds no task{chosen}: a folder with {', '.join(_FILES)}")
    with tempfile.TemporaryDirectory(prefix="kalm-pack-") as data_dir:
        service = Service.open(settings.model_copy(update={"data_dir": Path(data_dir), "qdrant_url": None}))
        try:
            service.start()
            for folder in folders:
                yield _evaluate(folder, service, rankings)
        finally:
            service.close()


def _evaluate(folder: Path, service: Service, rankings: Sequence[Ranking]) -> TaskResult:
    files = {name: (folder / name).read_bytes() for name in _FILES}
    collection = folder.name.lower()
    service.create_collection(collection)
    job = service.upload(collection, [(row.name, io.BytesIO(row.content)) for row in corpus_of(files)], None)
    while (job := service.jobs.get(job.id)).finished is None:
        time.sleep(_POLL_S)
    failed = job.outcomes.get("failed", 0)
    if job.state != "done" or failed:
        raise ValueError(f"{folder.name}: {failed} documents failed to be ingested; {job.problem or ''}")
    queries = service.evaluations.import_set(folder.name, files)
    begun = service.evaluations.add_runs(
        NewRuns(query_set=folder.name, collection=collection, rankings=list(rankings))
    )
    runs = [_finished(run.id, service) for run in begun]
    documents, _, _ = service.ledger.counts(collection)
    service.delete_collection(collection)
    return TaskResult(folder.name, list(queries.languages), documents, runs)


def _finished(run: str, service: Service) -> Run:
    while (found := service.evaluations.run(run).run).state in ("queued", "running"):
        time.sleep(_POLL_S)
    if found.problem:
        raise ValueError(f"{found.query_set}: {found.problem}")
    return found
