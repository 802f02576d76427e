"""Work through the jobs in one thread: list, ingest, sync; a stop or a crash loses nothing."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from ingest.archives import Unpacked
from ingest.errors import IngestError, LeftOut, ParseLimit, StoreError
from ingest.intake import Intake
from ingest.jobs import Item, Job, Jobs
from ingest.pipeline import Interrupted, Parse, Shelf, ingest, remove
from ingest.places import Place
from ingest.plan import guard, missing
from ingest.records import Source, document_id

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A file that was being worked on at three crashes is taken to be their cause."""


class Runner:
    """One thread that takes the oldest unfinished job, again and again."""

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
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Take up what an earlier process left, then wait for more."""
        self._jobs.requeue_running()
        self._work.set()
        self._thread.start()

    def wake(self) -> None:
        """Say that there is a new job."""
        self._work.set()

    def stop(self) -> None:
        """Stop after the batch at hand; the document it belongs to is taken up at the next start."""
        self._stopping.set()
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait()
            self._work.clear()
            while not self._stopping.is_set() and (job := self._jobs.next()):
                self._run_job(job)

    def _run_job(self, job: Job) -> None:
        try:
            self._jobs.move(job.id, "running")
            shelf = self._open_shelf(job.collection)
            if not job.listed and job.place is not None:
                listing = self._intake.list(job.place, job.collection, shelf.index.contract.recipe)
                self._jobs.list_items(job.id, listing.sources, listing.unchanged)
            while item := self._claim(job):
                self._run_item(job, item, shelf)
            if self._jobs.get(job.id).state == "running":
                if job.sync and job.place is not None:
                    self._remove_missing(job, job.place, shelf)
                self._jobs.move(job.id, "done")
        except Interrupted:
            log.info("job %s goes on at the next start", job.id)
        except Exception as error:
            expected = isinstance(error, IngestError | StoreError)
            log.error("job %s stopped: %s", job.id, error, exc_info=not expected)
            self._jobs.move(job.id, "stopped", str(error) if expected else _unexpected(error))

    def _claim(self, job: Job) -> Item | None:
        if self._stopping.is_set():
            raise Interrupted
        if self._jobs.get(job.id).state != "running":
            return None
        return self._jobs.claim_item(job.id)

    def _run_item(self, job: Job, item: Item, shelf: Shelf) -> None:
        """One document; it fails alone. Only what would hit every document stops the job."""
        begin = time.perf_counter()
        source = item.source
        try:
            if item.attempts > MAX_ATTEMPTS:
                raise ParseLimit(f"{source.name}: given up, the service died {MAX_ATTEMPTS} times over it")
            found = self._intake.read(source, job.collection)
            if isinstance(found, Unpacked):
                self._unpack(job, item, found, shelf)
                return
            outcome, chunks = ingest(found, shelf, self._parse, self._stopping.is_set)
        except (Interrupted, StoreError, sqlite3.Error):
            self._jobs.release_item(job.id, item.position)
            raise
        except IngestError as error:
            log.warning("job %s: %s", job.id, error)
            self._fail(job, item, shelf, error.code, str(error))
        except Exception as error:
            log.exception("job %s: %s", job.id, source.name)
            self._fail(job, item, shelf, "internal", f"{source.name}: {_unexpected(error)}")
        else:
            seconds = time.perf_counter() - begin
            self._jobs.finish_item(job.id, item.position, outcome, chunks=chunks, seconds=seconds)

    def _fail(self, job: Job, item: Item, shelf: Shelf, code: str, message: str) -> None:
        shelf.ledger.record_failure(job.collection, item.source, code, message)
        self._jobs.finish_item(job.id, item.position, "failed", error_code=code, error=message)

    def _unpack(self, job: Job, item: Item, found: Unpacked, shelf: Shelf) -> None:
        """An archive makes way for what is in it, and is no document itself, even if it was one before."""
        for refused in found.refused:
            if not isinstance(refused.error, LeftOut):
                log.warning("job %s: %s", job.id, refused.error)
                shelf.ledger.record_failure(
                    job.collection, refused.source, refused.error.code, str(refused.error)
                )
        if found.problem is None:
            remove(document_id(job.collection, item.source), shelf)
        else:
            shelf.ledger.record_failure(job.collection, item.source, found.problem.code, str(found.problem))
        self._jobs.unpack_item(job.id, item.position, found)

    def _remove_missing(self, job: Job, place: Place, shelf: Shelf) -> None:
        """Take out documents that came from `place` and are not in this job's listing."""
        present = {
            item.source.uri for item in self._jobs.items(job.id) if item.outcome not in {"removed", "skipped"}
        }
        gone = missing(place, job.collection, shelf.ledger, present)
        if not job.force:
            guard(place, job.collection, shelf.ledger, len(gone), is_empty=not present)
        for row in gone:
            remove(row.id, shelf)
            self._jobs.add_removed(job.id, Source(row.uri, row.name, row.path))


def _unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {error}; the service's log has the details"
