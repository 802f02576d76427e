"""Work through the jobs: list, ingest several documents at a time, sync; a stop or a crash loses nothing."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from embedder.errors import Draining, Overloaded, ServerFailed
from ingest.archives import Unpacked
from ingest.errors import DiskFull, IndexUnavailable, IngestError, LeftOut, ParseLimit, StoreError
from ingest.intake import Intake
from ingest.jobs import Item, Job, Jobs, Work
from ingest.ledger import Ledger
from ingest.pipeline import Interrupted, Moved, Parse, Shelf, ingest, on_shelf, relabel, remove
from ingest.places import Place
from ingest.plan import guard, missing
from ingest.records import NOTHING_GIVEN, Source, Stage, document_id

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A file that was being worked on at three crashes is taken to be their cause."""
DOCUMENTS_AT_ONCE = 4
"""Enough that some are read while others are encoded, and small ones fill a batch together."""
BYTES_AT_ONCE = 64 << 20
"""Of files that are being ingested; a larger one is alone. A file takes several times its size in memory."""
PASSING = (IndexUnavailable, DiskFull, ServerFailed, Overloaded)
"""What may be over in a while: the job waits for it."""
_LOOK_AGAIN_S = 0.05


class Runner:
    """Takes the oldest job that can be worked on, again and again."""

    def __init__(
        self,
        jobs: Jobs,
        open_shelf: Callable[[str], Shelf],
        parse: Parse,
        intake: Intake,
    ) -> None:
        self._jobs = jobs
        self._open_shelf = open_shelf
        self._parse = parse
        self._intake = intake
        self._room = _Room(BYTES_AT_ONCE)
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Take up what an earlier process left, then wait for more."""
        self._jobs.requeue_running()
        self._work.set()
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._work.set()

    def stop(self) -> None:
        """Stop after the batches at hand; their documents are taken up at the next start."""
        self._stopping.set()
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait(self._jobs.next_retry_s())
            self._work.clear()
            while not self._stopping.is_set() and (job := self._jobs.next()):
                self._run_job(job)

    def _run_job(self, job: Job) -> None:
        if not self._jobs.begin(job.id):
            return
        try:
            shelf = self._open_shelf(job.collection)
            if not job.listed and job.place is not None:
                listing = self._intake.listing(job.place, job.collection, shelf.index.contract.recipe)
                if job.given != NOTHING_GIVEN:
                    unchanged = [document_id(job.collection, source) for source in listing.unchanged]
                    on_shelf(
                        partial(self._open_shelf, job.collection),
                        partial(relabel, unchanged, job.given),
                    )
                self._jobs.list_items(job.id, listing.sources, listing.unchanged)
            self._run_items(job)
            if self._jobs.get(job.id).state == "running":
                if job.sync and job.place is not None:
                    self._remove_missing(job, job.place, shelf.ledger)
                self._jobs.finish(job.id, "done")
        except (Interrupted, Draining):
            log.info("job %s goes on at the next start", job.id)
        except PASSING as error:
            log.warning("job %s waits: %s", job.id, error)
            self._jobs.wait(job.id, str(error))
        except Exception as error:
            expected = isinstance(error, IngestError | StoreError)
            log.error("job %s stopped: %s", job.id, error, exc_info=not expected)
            self._jobs.finish(job.id, "stopped", str(error) if expected else _unexpected(error))

    def _run_items(self, job: Job) -> None:
        """Raises what would hit every document, once all those at hand have ended."""
        halt = threading.Event()

        def work() -> None:
            try:
                while not halt.is_set():
                    if item := self._claim(job):
                        self._run_item(job, item, self._open_shelf(job.collection))
                    elif not self._jobs.is_busy(job.id):
                        return
                    else:  # what is running may be an archive, and make more to do
                        halt.wait(_LOOK_AGAIN_S)
            except BaseException:
                halt.set()
                raise

        with ThreadPoolExecutor(DOCUMENTS_AT_ONCE, thread_name_prefix="ingest") as threads:
            ends = [threads.submit(work) for _ in range(DOCUMENTS_AT_ONCE)]
        for end in ends:
            end.result()

    def _claim(self, job: Job) -> Item | None:
        if self._stopping.is_set():
            raise Interrupted
        return self._jobs.claim_item(job.id)

    def _run_item(self, job: Job, item: Item, shelf: Shelf) -> None:
        """One document; it fails alone. Only what would hit every document stops the job."""
        source = item.source
        watch = _Watch(self._jobs, job, item, self._stopping)
        try:
            if item.attempts > MAX_ATTEMPTS:
                raise ParseLimit(f"{source.name}: given up, the service died {MAX_ATTEMPTS} times over it")
            watch.enter("read")
            found = self._intake.read(source, job.collection)
            if isinstance(found, Unpacked):
                self._unpack(job, item, found, shelf)
                return
            watch.add(found.size_bytes)
            with self._room.take(found.size_bytes, self._stopping):
                report = ingest(replace(found, given=job.given), shelf, self._parse, watch)
        except (Interrupted, Draining, StoreError, ServerFailed, Overloaded, sqlite3.Error):
            self._jobs.release_item(job.id, item.position)
            raise
        except Moved:
            self._jobs.release_item(job.id, item.position)
        except IngestError as error:
            log.warning("job %s: %s", job.id, error)
            self._fail(job, item, shelf, error.code, str(error))
        except Exception as error:
            log.exception("job %s: %s", job.id, source.name)
            self._fail(job, item, shelf, "internal", f"{source.name}: {_unexpected(error)}")
        else:
            done = watch.done()
            self._jobs.finish_item(
                job.id,
                item.position,
                report.outcome,
                chunks=report.chunks,
                seconds=sum(stage.seconds for stage in done.values()),
                stages=done,
                note=report.note,
            )

    def _fail(self, job: Job, item: Item, shelf: Shelf, code: str, message: str) -> None:
        shelf.ledger.record_failure(job.collection, item.source, code, message, job.given)
        self._jobs.finish_item(job.id, item.position, "failed", error_code=code, error=message)

    def _unpack(self, job: Job, item: Item, found: Unpacked, shelf: Shelf) -> None:
        """An archive makes way for what is in it, and is no document itself, even if it was one before."""
        for refused in found.refused:
            if not isinstance(refused.error, LeftOut):
                log.warning("job %s: %s", job.id, refused.error)
                shelf.ledger.record_failure(
                    job.collection, refused.source, refused.error.code, str(refused.error), job.given
                )
        if found.problem is None:
            self._remove(document_id(job.collection, item.source), job.collection)
        else:
            shelf.ledger.record_failure(
                job.collection, item.source, found.problem.code, str(found.problem), job.given
            )
        self._jobs.unpack_item(job.id, item.position, found)

    def _remove_missing(self, job: Job, place: Place, ledger: Ledger) -> None:
        """Take out documents that came from `place` and are not in this job's listing."""
        present = {
            item.source.uri for item in self._jobs.items(job.id) if item.outcome not in {"removed", "skipped"}
        }
        gone = missing(place, job.collection, ledger, present)
        if not job.force:
            guard(place, job.collection, ledger, len(gone), is_empty=not present)
        for row in gone:
            self._remove(row.id, job.collection)
            self._jobs.add_removed(job.id, Source(row.uri, row.name, row.path))

    def _remove(self, document: str, collection: str) -> None:
        on_shelf(partial(self._open_shelf, collection), partial(remove, document))


class _Room:
    """Lets in as many bytes at once, and whatever comes when nobody is in."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, wanted: int, stopping: threading.Event) -> Iterator[None]:
        """Wait for room, and hold it. Raises Interrupted if the service is stopping meanwhile."""
        with self._changed:
            while self._taken and self._taken + wanted > self._size:
                if stopping.is_set():
                    raise Interrupted
                self._changed.wait(_LOOK_AGAIN_S)
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()


class _Watch:
    """Measures the stages of one item, and tells the ledger which it is in."""

    def __init__(self, jobs: Jobs, job: Job, item: Item, stopping: threading.Event) -> None:
        self._jobs, self._job, self._item, self._stopping = jobs, job, item, stopping
        self._done: dict[Stage, Work] = {}
        self._stage: Stage | None = None
        self._begin = time.perf_counter()

    def enter(self, stage: Stage) -> None:
        if self._stopping.is_set():
            raise Interrupted
        if stage != self._stage:
            self._close()
            if stage not in self._done:
                self._jobs.enter(self._job.id, self._item.position, stage)
            self._stage = stage

    def add(self, work: int) -> None:
        self._count(0.0, work)

    def done(self) -> dict[Stage, Work]:
        self._close()
        return self._done

    def _close(self) -> None:
        now = time.perf_counter()
        self._count(now - self._begin, 0)
        self._begin = now

    def _count(self, seconds: float, work: int) -> None:
        if self._stage is not None:
            before = self._done.get(self._stage, Work(0.0, 0))
            self._done[self._stage] = Work(before.seconds + seconds, before.work + work)


def _unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {error}; the service's log has the details"
