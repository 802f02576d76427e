"""The same stages on a Ray cluster: read on its CPUs, encoded on its accelerators, published by one driver.

Of every document only its place goes out and only what became of it comes back, so one driver, which owns
the ledger, keeps many machines busy:

    driver    list ──────────────┐  recognise ──────────────────────────────┐  count, publish
    cluster                      └→ hash                                    └→ parse, chunk → encode → write

Points are written hidden and their ids depend on version and position only: whatever dies is run again. A
version is never in two hands at once, since copies wait for the first of them. Files must be where every
machine sees them.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, cast

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before ray is imported: nothing is reported to anybody

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset, from_items

from embedder.encoder import Encoder, Vectors
from embedder.errors import Draining, Overloaded, ServerFailed
from embedder.queue import QueuedEncoder
from ingest import pipeline
from ingest.archives import archive_kind
from ingest.chunk import TokenSpans
from ingest.errors import IndexDamaged, IngestError, ParseLimit, SourceGone, StoreError, UnsupportedFile
from ingest.index import Location, open_index
from ingest.index.contract import Contract
from ingest.jobs import Item, Job, Jobs, Outcome, Work
from ingest.ledger import Described
from ingest.pipeline import Report, Shelf
from ingest.records import Chunk, Document, Source, Stage
from ingest.sources import read_document
from ingest.worker import ParseWorker

log = logging.getLogger(__name__)

SLICE = 100_000
"""Documents handed to the cluster at once: some 100 MB of the driver's memory, whatever the folder's size."""
_AT_ONCE = 16
"""Documents of one task: what is done again if its worker dies."""
_DEATHS = 2
"""Times that a task is tried again."""
_PARTS_AT_ONCE = 32
"""Batches of chunks that an encoder sees together, so that small documents fill its batches too."""
_LOOKS_AT_ONCE = 256
"""Files hashed by one task."""
_WRITER_CPUS = 0.25
"""It mostly waits for the server."""
_EVERYBODY = (StoreError, ServerFailed, Overloaded, Draining)
"""What would hit every document: the run stops, and goes on where it was when it is started again."""

Done = Callable[[Outcome, str], None]
"""Told of every document as it ends: what became of it, and its name or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker opens for itself, on whichever machine it runs."""

    encoder: Callable[[int | None], Encoder]
    """Load it, for so many CPU threads."""
    tokens: Callable[[], TokenSpans]
    """Load its tokenizer alone."""
    location: Location
    """Of a Qdrant server."""
    max_bytes: int
    """Per file."""
    timeout_s: float
    memory_mb: int
    """Limits of the process that reads a file."""
    accelerated: bool = True
    """Whether an encoder takes an accelerator, where the cluster has any."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file and the version that it is now."""

    item: Item
    document: Document | None
    version: str = ""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """One batch of a document's chunks on its way to the index, or why there is none."""

    version: str
    parts: int = 1
    """Of the document."""
    chunks: Sequence[Chunk] = ()
    vectors: Sequence[Vectors] = ()
    described: Described | None = None
    stages: Mapping[Stage, Work] = field(default_factory=dict)
    error: Exception | None = None


@contextmanager
def cluster(address: str | None = None, **options: Any) -> Iterator[None]:
    """Connect to the cluster at `address`, or have one on this machine for as long as this lasts.

    One that this process is connected to already is taken instead.
    """
    if ray.is_initialized():
        yield
        return
    if address is None:
        options = {"include_dashboard": False, **options}
    ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with _unwarned():
        context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # what a worker died over is looked at once more, one by one
    try:
        yield
    finally:
        ray.shutdown()


def run(job: Job, jobs: Jobs, shelf: Shelf, means: Means, done: Done) -> None:
    """Ingest what a running, listed job has left; needs a `cluster`.

    A document fails alone. Raises StoreError, or what else would hit every document; then, and if the process
    is killed, the job stays as far as it got.
    """
    driver = _Driver(job, jobs, shelf, means, done)
    while items := jobs.items(job.id, outcome="queued", limit=SLICE):
        driver.take(items)
    jobs.finish(job.id, "done")


class _Driver:
    """The one process that writes the ledger."""

    def __init__(self, job: Job, jobs: Jobs, shelf: Shelf, means: Means, done: Done) -> None:
        self._job, self._jobs, self._shelf, self._means, self._done = job, jobs, shelf, means, done

    def take(self, items: Sequence[Item]) -> None:
        """Bring all of `items` to their ends."""
        waiting: dict[str, _Looked] = {}
        copies: list[_Looked] = []
        for looked in self._look(items):
            if looked.error is not None:
                self._fail(looked.item, looked.error)
            elif looked.version in waiting:
                copies.append(looked)
            elif not self._recognised(looked):
                waiting[looked.version] = looked
        failed: dict[str, Exception] = {}
        for at_once in (_AT_ONCE, 1):
            for looked, error in self._ingest(waiting, at_once):
                failed[looked.version] = error
        for looked in waiting.values():
            name = looked.item.source.name
            failed[looked.version] = ParseLimit(
                f"{name}: given up, no worker came back with it: see Ray's log"
            )
            self._fail(looked.item, failed[looked.version])
        for copy in copies:
            if copy.version in failed:
                self._fail(copy.item, failed[copy.version])
            elif not self._recognised(copy):
                raise IndexDamaged(
                    f"the points of {copy.item.source.name} do not stay in {self._shelf.name!r}"
                )

    def _look(self, items: Sequence[Item]) -> Iterator[_Looked]:
        look = _Look(self._job.collection, self._shelf.index.contract.recipe, self._means.max_bytes)
        rows = _dataset(items, _LOOKS_AT_ONCE).map(look)
        seen = set()
        for row in rows.iter_rows():
            looked: _Looked = row["it"]
            seen.add(looked.item.position)
            if looked.document is not None:
                document = replace(looked.document, given=self._job.given)
                looked = replace(looked, document=document)
            yield looked
        if missing := [item for item in items if item.position not in seen]:
            raise RuntimeError(
                f"Ray lost {len(missing)} files while hashing them, {missing[0].source.name} first"
            )

    def _recognised(self, looked: _Looked) -> bool:
        assert looked.document is not None
        report = pipeline.recognise(looked.document, looked.version, self._shelf)
        if report is not None:
            self._finish(looked.item, report, {})
        return report is not None

    def _ingest(self, waiting: dict[str, _Looked], at_once: int) -> Iterator[tuple[_Looked, Exception]]:
        """Take those out of `waiting` that came to an end, and yield those that failed."""
        written: dict[str, list[_Part]] = {}
        if not waiting:
            return
        with _unwarned():
            rows = self._stages(list(waiting.values()), at_once)
        for row in rows.iter_rows():
            part: _Part = row["it"]
            if isinstance(part.error, _EVERYBODY):
                raise part.error
            if part.version not in waiting:
                continue  # failed by another of its parts
            parts = written.setdefault(part.version, [])
            parts.append(part)
            if part.error is not None:
                looked = waiting.pop(part.version)
                self._fail(looked.item, part.error)
                yield looked, part.error
            elif len(parts) == part.parts:
                self._publish(waiting.pop(part.version), written.pop(part.version))

    def _stages(self, looked: Sequence[_Looked], at_once: int) -> Dataset:
        contract, means = self._shelf.index.contract, self._means
        encoders, share, threads = _shares(means)
        rows = _dataset(looked, at_once)
        rows = rows.flat_map(
            cast("Any", _Read),
            fn_constructor_args=(means, contract),
            num_cpus=1,
            compute=ActorPoolStrategy(min_size=1, max_size=_cpus()),
            max_task_retries=_DEATHS,
        )
        rows = rows.map_batches(
            _Encode,
            fn_constructor_args=(means, contract, threads),
            batch_size=_PARTS_AT_ONCE if at_once > 1 else 1,
            compute=ActorPoolStrategy(size=encoders),
            **share,
            max_task_retries=_DEATHS,
        )
        return rows.map(
            cast("Any", _Write),
            fn_constructor_args=(self._shelf.name, means, contract),
            num_cpus=_WRITER_CPUS,
            compute=ActorPoolStrategy(min_size=1, max_size=2 * encoders),
            max_task_retries=_DEATHS,
        )

    def _publish(self, looked: _Looked, parts: Sequence[_Part]) -> None:
        described, document = parts[0].described, looked.document
        assert described is not None
        assert document is not None
        begin = time.perf_counter()
        notes = pipeline.twins(document, described, self._shelf)
        outcome = pipeline.publish(document, looked.version, self._shelf, described)
        if outcome is None:
            raise IndexDamaged(
                f"{described.chunks} chunks of {document.source.name} do not stay in {self._shelf.name!r}"
            )
        stages: dict[Stage, Work] = {}
        for part in parts:
            for stage, work in part.stages.items():
                before = stages.get(stage, Work(0.0, 0))
                stages[stage] = Work(before.seconds + work.seconds, before.work + work.work)
        stages["verify"] = Work(time.perf_counter() - begin, described.chunks)
        self._finish(looked.item, Report(outcome, described.chunks, "; ".join(notes) or None), stages)

    def _finish(self, item: Item, report: Report, stages: Mapping[Stage, Work]) -> None:
        self._jobs.finish_item(
            self._job.id,
            item.position,
            report.outcome,
            chunks=report.chunks,
            seconds=sum(work.seconds for work in stages.values()),
            stages=stages,
            note=report.note,
        )
        self._done(report.outcome, item.source.name)

    def _fail(self, item: Item, error: Exception) -> None:
        code, message = (error.code if isinstance(error, IngestError) else "internal"), str(error)
        self._shelf.ledger.record_failure(self._job.collection, item.source, code, message, self._job.given)
        self._jobs.finish_item(self._job.id, item.position, "failed", error_code=code, error=message)
        self._done("failed", message)


@dataclass(frozen=True, slots=True)
class _Look:
    """Item -> the version of its file, or why it can't be told."""

    collection: str
    recipe: str
    max_bytes: int

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        item: Item = row["it"]
        try:
            document = read_document(item.source, self.collection, max_bytes=self.max_bytes)
            _refuse_archive(item.source)
        except Exception as error:
            return {"it": _Looked(item, None, error=_alone(error, item.source.name))}
        return {"it": _Looked(item, document, document.version(self.recipe))}


class _Read:
    """File -> parts; in a child process that may die of it."""

    def __init__(self, means: Means, contract: Contract) -> None:
        self._worker = ParseWorker(timeout_s=means.timeout_s, memory_mb=means.memory_mb)
        self._token_spans = means.tokens()
        self._contract = contract

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        looked: _Looked = row["it"]
        assert looked.document is not None
        source = looked.document.source
        watch = _Watch()
        try:
            elements = self._worker.parse(source.path, source.name)
            watch.end("parse", len(elements))
            chunks, described = pipeline.cut(
                looked.document, looked.version, elements, self._token_spans, self._contract
            )
            watch.end("chunk", len(chunks))
        except Exception as error:
            yield {"it": _Part(looked.version, error=_alone(error, source.name))}
            return
        batches = list(pipeline.batches(chunks))
        stages = {"read": Work(0.0, looked.document.size_bytes), **watch.stages}
        for number, batch in enumerate(batches):
            of_first = {} if number else stages
            yield {"it": _Part(looked.version, len(batches), batch, described=described, stages=of_first)}


class _Encode:
    """Parts without vectors -> with; as many at a time as fill the encoder's batches."""

    def __init__(self, means: Means, contract: Contract, threads: int | None) -> None:
        self._encoder = QueuedEncoder(means.encoder(threads))
        self._threads = ThreadPoolExecutor(_PARTS_AT_ONCE)
        self._contract = contract

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        encoded = np.empty(len(batch["it"]), object)
        encoded[:] = list(self._threads.map(self._encode, batch["it"]))
        return {"it": encoded}

    def _encode(self, part: _Part) -> _Part:
        if part.error is not None:
            return part
        watch = _Watch()
        try:
            vectors, tokens = pipeline.encode(part.chunks, self._encoder, self._contract)
        except Exception as error:
            return _Part(part.version, error=_alone(error, part.chunks[0].title))
        watch.end("encode", tokens)
        return replace(part, vectors=vectors, stages={**part.stages, **watch.stages})


class _Write:
    """Parts -> hidden points; what goes back to the driver is without them."""

    def __init__(self, name: str, means: Means, contract: Contract) -> None:
        self._index = open_index(name, contract, means.location)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        part: _Part = row["it"]
        if part.error is not None:
            return row
        watch = _Watch()
        try:
            pipeline.write(part.chunks, part.vectors, self._index)
        except Exception as error:
            return {"it": _Part(part.version, error=_alone(error, part.chunks[0].title))}
        watch.end("write", len(part.chunks))
        return {"it": replace(part, chunks=(), vectors=(), stages={**part.stages, **watch.stages})}


class _Watch:
    """Seconds and work of stages, one after the other."""

    def __init__(self) -> None:
        self.stages: dict[Stage, Work] = {}
        self._begin = time.perf_counter()

    def end(self, stage: Stage, work: int) -> None:
        now = time.perf_counter()
        self.stages[stage] = Work(now - self._begin, work)
        self._begin = now


def _dataset(items: Sequence[Any], at_once: int) -> Dataset:
    return from_items([{"it": one} for one in items], override_num_blocks=ceil(len(items) / at_once))


def _shares(means: Means) -> tuple[int, dict[str, Any], int | None]:
    """How many encoders there are, what each of them takes, and its CPU threads.

    One for each accelerator; without any, one on each machine, on half of its CPUs.
    """
    accelerators = _resource("GPU") if means.accelerated else 0
    if accelerators:
        return accelerators, {"num_gpus": 1}, None
    machines = len(ray.nodes())  # type: ignore[no-untyped-call]
    threads = max(1, _cpus() // (2 * machines))
    return machines, {"num_cpus": threads}, threads


@contextmanager
def _unwarned() -> Iterator[None]:
    """Ray warns of its own settings, and of how a task's retries are limited before Ray 2.64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _cpus() -> int:
    return max(1, _resource("CPU"))


def _resource(name: str) -> int:
    """Of the whole cluster."""
    return int(ray.cluster_resources().get(name, 0))  # type: ignore[no-untyped-call]


def _refuse_archive(source: Source) -> None:
    try:
        if archive_kind(source.path) is not None:
            raise UnsupportedFile(
                f"{source.name} is an archive, which the ray engine doesn't open: unpack it, or ingest it "
                "without --engine ray"
            )
    except OSError as error:
        raise SourceGone(f"{source.name}: can't be read any more ({error.strerror})") from error


def _alone(error: Exception, name: str) -> Exception:
    """The error as it can travel: ours as it is, any other in words."""
    if isinstance(error, (IngestError, *_EVERYBODY)):
        return error
    log.error("%s", name, exc_info=error)
    return RuntimeError(f"{name}: unexpected {type(error).__name__}: {error}")
