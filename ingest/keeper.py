"""Keep collections as their named sources are: queue a sync when one is due, or a watched folder changed."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import IngestError, SourceBusy, StoreError, UnknownSource
from ingest.jobs import Job, Jobs
from ingest.places import Place
from ingest.schedule import NamedSource, Schedule
from ingest.sources import mark_of

log = logging.getLogger(__name__)

POLL_S = 2.0
"""Between two looks at the watched folders."""
PATIENCE = 15
"""Looks after which a folder that never rests, one with a log in it, is synced all the same."""
_REST = 20
"""Looks take at most a twentieth of the time, however large the folders are."""

Queue = Callable[[NamedSource, bool], Job]
"""Queues a sync, forced or not. Raises IngestError for a place that may not be read, or is not there."""
Allow = Callable[[Place], Place]
"""The place as it may be read now. Raises IngestError."""


class Keeper:
    """A thread over the schedule."""

    def __init__(
        self,
        schedule: Schedule,
        jobs: Jobs,
        queue: Queue,
        allow: Allow,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._schedule = schedule
        self._jobs = jobs
        self._queue = queue
        self._allow = allow
        self._clock = clock
        self._unsettled: dict[str, tuple[str, int]] = {}
        """By the source's name: the mark of a folder that changed, and at how many looks it did."""
        self._queueing = threading.Lock()
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Say that the schedule has changed."""
        self._work.set()

    def stop(self) -> None:
        """Queue nothing more."""
        self._stopping.set()
        self._work.set()
        self._thread.join()

    def run(self, name: str, *, force: bool = False) -> Job:
        """Queue a sync now. Raises UnknownSource, SourceBusy, and IngestError if its place can't be read."""
        source = self._schedule.get(name)
        try:
            return self._sync(source, force=force)
        except IngestError as error:
            self._schedule.failed(source, str(error), now=self._clock())
            raise

    def look(self) -> None:
        """Queue every source that is due, or that was watched to change and looked the same twice since."""
        for source in self._schedule.idle():
            if self._stopping.is_set():
                return
            try:
                self._look_at(source)
            except (SourceBusy, UnknownSource):  # somebody ran it, or dropped it, meanwhile
                continue
            except Exception as error:
                self._unsettled.pop(source.name, None)
                self._report(source, error)

    def _run(self) -> None:
        while not self._stopping.is_set():
            begin = time.perf_counter()
            try:
                self.look()
            except Exception:
                log.exception("the named sources could not be looked at")
            self._work.wait(max(POLL_S, _REST * (time.perf_counter() - begin)))
            self._work.clear()

    def _look_at(self, source: NamedSource) -> None:
        is_due = source.due is not None and source.due <= self._clock()
        mark = None
        if source.watch:
            place = self._allow(source.place)
            mark = mark_of(Path(place.root), place.selection)
        if is_due or self._has_settled(source, mark):
            self._sync(source, mark=mark)
        elif source.problem and mark is not None:
            self._schedule.recovered(source)

    def _has_settled(self, source: NamedSource, mark: str | None) -> bool:
        """Whether a watched folder is not as when it was queued last, but as it was a look ago."""
        before, looks = self._unsettled.pop(source.name, (None, 0))
        if mark is None or mark == source.mark:
            return False
        self._unsettled[source.name] = (mark, looks + 1)
        return mark == before or looks >= PATIENCE

    def _sync(self, source: NamedSource, *, mark: str | None = None, force: bool = False) -> Job:
        with self._queueing:
            source = self._schedule.get(source.name)
            last = self._jobs.get(source.job) if source.job else None
            if last and last.finished is None:
                raise SourceBusy(
                    f"{source.name} is being synced: wait for job {last.id} ({last.state}), or cancel it"
                )
            job = self._queue(source, force)
            self._schedule.queued(source, job.id, mark=mark, now=self._clock())
        self._unsettled.pop(source.name, None)
        if last:
            self._jobs.condense(last.id)
        return job

    def _report(self, source: NamedSource, error: Exception) -> None:
        problem = str(error)
        if not isinstance(error, IngestError | StoreError):
            log.exception("source %s", source.name)
            problem = f"unexpected {type(error).__name__}: {error}; the service's log has the details"
        elif problem != source.problem:
            log.warning("source %s: %s", source.name, problem)
        now = self._clock()
        if problem != source.problem or (source.due is not None and source.due <= now):
            self._schedule.failed(source, problem, now=now)
