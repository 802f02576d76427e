"""What is left to do: jobs, their items and the stages of each, durable at every step."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

from ingest.archives import Unpacked
from ingest.database import Database, now
from ingest.errors import IngestError, LeftOut, UnknownJob
from ingest.labels import given_of, put_given
from ingest.places import EVERYTHING, Place, Selection
from ingest.records import NOTHING_GIVEN, Given, Groups, Source, Stage

Outcome = Literal[
    "queued", "running", "added", "changed", "unchanged", "alias", "removed", "skipped", "failed", "cancelled"
]
"""`skipped` is what is no document at all, such as a link in an archive."""
JobState = Literal["queued", "running", "waiting", "paused", "done", "cancelled", "stopped"]
"""waiting: goes on by itself once what it needs is back; stopped: somebody must act."""

_UNFINISHED = "('queued', 'running', 'waiting', 'paused')"
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Work:
    """Of one stage: how long it took, and of what: bytes read, elements parsed, chunks, tokens encoded."""

    seconds: float
    work: int


@dataclass(frozen=True, slots=True)
class Item:
    """One source of one job, and what became of it."""

    position: int
    source: Source
    outcome: Outcome
    attempts: int
    stage: Stage | None
    """The one it is in, or was in at its end."""
    chunks: int
    seconds: float | None
    error_code: str | None
    error: str | None
    note: str | None
    """What an admin should know although it went well."""


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    collection: str
    source: str
    """In words: the folder, or the names of the uploads."""
    place: Place | None
    """Where to list; None for uploads."""
    sync: bool
    """Whether documents that are no longer at `place` are removed."""
    force: bool
    """Whether a sync may remove any number of them."""
    listed: bool
    """Whether its items are known."""
    state: JobState
    problem: str | None
    created: datetime
    begun: datetime | None
    """When it last began or went on."""
    finished: datetime | None
    retry_at: datetime | None
    """When a waiting job tries again."""
    outcomes: dict[Outcome, int]
    given: Given
    """What is said of its documents."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How fast a running job is, since it last began."""

    documents_per_h: float
    tokens_per_s: float
    """Encoded, over all of the time: what the machine gives, waiting for the parsers included."""
    eta_s: float | None
    """Left, going by bytes; None if nothing is finished yet."""


class Jobs:
    """The queue. Safe from several threads; meant for one process."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        collection: str,
        source: str,
        *,
        root: Path | str | None = None,
        selection: Selection = EVERYTHING,
        sync: bool = False,
        force: bool = False,
        items: Sequence[Source] = (),
        given: Given = NOTHING_GIVEN,
    ) -> Job:
        """Queue a job: either a `root` still to be listed, or `items`. Durable when it returns."""
        job = str(uuid4())
        with self._db.write() as db:
            db.execute(
                "INSERT INTO jobs (id, collection, source, root, sync, listed, state, created) "
                "VALUES (?, ?, ?, ?, ?, ?, 'queued', ?)",
                (job, collection, source, root and str(root), sync, root is None, now()),
            )
            if force or selection != EVERYTHING:
                globs = (json.dumps(selection.include), json.dumps(selection.exclude))
                db.execute("INSERT INTO selections VALUES (?, ?, ?, ?)", (job, *globs, force))
            put_given(db, "job", job, given)
            _add_items(db, job, items, "queued")
        return self.get(job)

    def list_items(self, job: str, items: Sequence[Source], unchanged: Sequence[Source] = ()) -> None:
        """Store what the job's root holds; from here on a restart does not list again.

        `unchanged` need not be looked at: their store says that they are as they were.
        """
        with self._db.write() as db:
            _add_items(db, job, items, "queued")
            _add_items(db, job, unchanged, "unchanged")
            db.execute("UPDATE jobs SET listed = 1 WHERE id = ?", (job,))

    def unpack_item(self, job: str, position: int, found: Unpacked) -> None:
        """Put an archive's files in its place, the refused ones with their reasons."""
        with self._db.write() as db:
            _add_items(db, job, found.members, "queued")
            for refused in found.refused:
                outcome: Outcome = "skipped" if isinstance(refused.error, LeftOut) else "failed"
                _add_items(db, job, [refused.source], outcome, refused.error)
            db.execute("DELETE FROM items WHERE job = ? AND position = ?", (job, position))
            if found.problem is not None:
                _add_items(db, job, [found.archive], "failed", found.problem)

    def add_removed(self, job: str, source: Source) -> None:
        """An item that arose on the way: a document that sync took out."""
        with self._db.write() as db:
            _add_items(db, job, [source], "removed")

    def condense(self, job: str) -> None:
        """Keep of a finished job what happened in it; of one in which nothing did, nothing."""
        with self._db.write() as db:
            db.execute(
                "DELETE FROM items WHERE job = ?1 AND outcome = 'unchanged' "
                "AND (SELECT finished FROM jobs WHERE id = ?1) IS NOT NULL",
                (job,),
            )
            db.execute(
                "DELETE FROM jobs WHERE id = ?1 AND state = 'done' "
                "AND NOT EXISTS (SELECT 1 FROM items WHERE job = ?1)",
                (job,),
            )

    def latest(
        self, limit: int = 50, *, offset: int = 0, collection: str | None = None, groups: Groups = None
    ) -> list[Job]:
        """Newest first, of all collections or of one, that `groups` see."""
        seen, values = _seen(groups)
        rows = self._db.read(
            f"SELECT * FROM jobs WHERE (? IS NULL OR collection = ?){seen} "  # noqa: S608 constants
            "ORDER BY created DESC, rowid DESC LIMIT ? OFFSET ?",
            collection,
            collection,
            *values,
            limit,
            offset,
        )
        return [self._job(row) for row in rows]

    def get(self, job: str, groups: Groups = None) -> Job:
        """Raises UnknownJob, also for one that `groups` don't see."""
        seen, values = _seen(groups)
        rows = self._db.read(f"SELECT * FROM jobs WHERE id = ?{seen}", job, *values)  # noqa: S608
        if not rows:
            raise UnknownJob(f"no job {job!r}")
        return self._job(rows[0])

    def next(self) -> Job | None:
        """The oldest job that can be worked on now."""
        rows = self._db.read(
            "SELECT * FROM jobs WHERE state IN ('running', 'queued') "
            "OR (state = 'waiting' AND retry_at <= ?) ORDER BY rowid LIMIT 1",
            now(),
        )
        return self._job(rows[0]) if rows else None

    def next_retry_s(self) -> float | None:
        """Seconds until a waiting job tries again; None if none waits."""
        at = self._db.read("SELECT min(retry_at) AS at FROM jobs WHERE state = 'waiting'")[0]["at"]
        return None if at is None else (datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds()

    def items(self, job: str, *, outcome: Outcome | None = None, limit: int = -1) -> list[Item]:
        """What became of each document, or of those with one outcome; `limit` -1 for all."""
        rows = self._db.read(
            "SELECT * FROM items WHERE job = ?1 AND (?2 IS NULL OR outcome = ?2) ORDER BY position LIMIT ?3",
            job,
            outcome,
            limit,
        )
        return [_item(row) for row in rows]

    def begin(self, job: str) -> bool:
        """Start a job, or go on with it; False if somebody paused or cancelled it meanwhile."""
        with self._db.write() as db:
            moved = db.execute(
                "UPDATE jobs SET state = 'running', problem = NULL, begun = ?, retry_at = NULL "
                "WHERE id = ? AND state IN ('queued', 'running', 'waiting')",
                (now(), job),
            ).rowcount
        return bool(moved)

    def claim_item(self, job: str) -> Item | None:
        """The next queued item of a running job, now running, with one attempt more; None if none is left.

        Attempts are counted before the work, so a file that kills the process is found out. Of two items
        of one source the later waits for the earlier, and so wins.
        """
        with self._db.write(durable=False) as db:
            row = db.execute(
                "UPDATE items SET outcome = 'running', attempts = attempts + 1 WHERE job = ?1 AND position = "
                "(SELECT min(position) FROM items WHERE job = ?1 AND outcome = 'queued' AND uri NOT IN "
                "(SELECT uri FROM items WHERE job = ?1 AND outcome = 'running')) "
                "AND (SELECT state FROM jobs WHERE id = ?1) = 'running' RETURNING *",
                (job,),
            ).fetchone()
        return _item(row) if row else None

    def is_busy(self, job: str) -> bool:
        """Whether an item is being worked on."""
        return bool(self._db.read("SELECT 1 FROM items WHERE job = ? AND outcome = 'running' LIMIT 1", job))

    def enter(self, job: str, position: int, stage: Stage) -> None:
        """Say what is being done with an item, for those who watch."""
        with self._db.write(durable=False) as db:
            db.execute("UPDATE items SET stage = ? WHERE job = ? AND position = ?", (stage, job, position))

    def finish_item(
        self,
        job: str,
        position: int,
        outcome: Outcome,
        *,
        chunks: int = 0,
        seconds: float | None = None,
        stages: Mapping[Stage, Work] | None = None,
        error_code: str | None = None,
        error: str | None = None,
        note: str | None = None,
    ) -> None:
        rows = [(job, position, stage, done.seconds, done.work) for stage, done in (stages or {}).items()]
        with self._db.write(durable=False) as db:
            db.execute(
                "UPDATE items SET outcome = ?, chunks = ?, seconds = ?, error_code = ?, error = ?, note = ?, "
                "finished = ? WHERE job = ? AND position = ?",
                (outcome, chunks, seconds, error_code, error, note, now(), job, position),
            )
            db.executemany("INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?)", rows)
            db.execute("UPDATE jobs SET waits = 0 WHERE id = ?", (job,))

    def release_item(self, job: str, position: int) -> None:
        """Give a claimed item back untried: its worker stopped in good order."""
        with self._db.write() as db:
            db.execute(
                "UPDATE items SET outcome = 'queued', attempts = attempts - 1 "
                "WHERE job = ? AND position = ? AND outcome = 'running'",
                (job, position),
            )

    def requeue_running(self) -> None:
        """Put back what a killed process left running; called once at start."""
        with self._db.write() as db:
            db.execute("UPDATE items SET outcome = 'queued' WHERE outcome = 'running'")

    def finish(
        self, job: str, state: Literal["done", "cancelled", "stopped"], problem: str | None = None
    ) -> None:
        """End an unfinished job; only `retry` revives it. One that is paused stays so, for `resume`."""
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, problem = ?, finished = ?, retry_at = NULL WHERE id = ? "  # noqa: S608
                f"AND state IN {_UNFINISHED} AND (state != 'paused' OR ? = 'cancelled')",
                (state, problem, now(), job, state),
            )

    def wait(self, job: str, problem: str) -> None:
        """Let a running job try again by itself: after seconds at first, then ever later, up to minutes."""
        waits = self._db.read("SELECT waits FROM jobs WHERE id = ?", job)[0]["waits"]
        retry_at = datetime.now(UTC) + timedelta(seconds=min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**waits))
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'waiting', problem = ?, retry_at = ?, waits = waits + 1 "
                "WHERE id = ? AND state = 'running'",
                (problem, retry_at.isoformat(), job),
            )

    def pause(self, job: str) -> Job:
        """Let the documents at hand finish, keep the rest for `resume`. Raises UnknownJob."""
        self.get(job)
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'paused', retry_at = NULL "
                "WHERE id = ? AND state IN ('queued', 'running', 'waiting')",
                (job,),
            )
        return self.get(job)

    def resume(self, job: str) -> Job:
        """Go on with a paused job, or with a waiting one at once. Raises UnknownJob."""
        self.get(job)
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', problem = NULL, retry_at = NULL, waits = 0 "
                "WHERE id = ? AND state IN ('paused', 'waiting')",
                (job,),
            )
        return self.get(job)

    def cancel(self, job: str) -> Job:
        """Let the documents at hand finish and drop the rest. Raises UnknownJob."""
        self.finish(job, "cancelled")
        with self._db.write() as db:
            db.execute("UPDATE items SET outcome = 'cancelled' WHERE job = ? AND outcome = 'queued'", (job,))
        return self.get(job)

    def retry(self, job: str) -> Job:
        """Queue what failed or was cancelled once more. Raises UnknownJob."""
        self.get(job)
        with self._db.write() as db:
            db.execute(
                "UPDATE items SET outcome = 'queued', attempts = 0, error_code = NULL, error = NULL "
                "WHERE job = ? AND outcome IN ('failed', 'cancelled')",
                (job,),
            )
            db.execute(
                "UPDATE jobs SET state = 'queued', problem = NULL, finished = NULL, retry_at = NULL, "
                "waits = 0 WHERE id = ?",
                (job,),
            )
        return self.get(job)

    def stages(self, job: str) -> dict[Stage, Work]:
        """Seconds and work of each stage, over all items."""
        rows = self._db.read(
            "SELECT stage, sum(seconds) AS seconds, sum(work) AS work FROM stages "
            "WHERE job = ? GROUP BY stage",
            job,
        )
        return {row["stage"]: Work(row["seconds"], row["work"]) for row in rows}

    def progress(self, job: Job) -> Progress | None:
        """Of a running job, else None."""
        if job.state != "running" or job.begun is None:
            return None
        row = self._db.read(
            "SELECT count(*) AS documents, coalesce(sum(size_bytes), 0) AS bytes, coalesce(sum((SELECT work "
            "FROM stages s WHERE s.job = i.job AND s.position = i.position AND s.stage = 'encode')), 0) "
            "AS tokens, (SELECT coalesce(sum(size_bytes), 0) FROM items WHERE job = ?1 AND outcome IN "
            "('queued', 'running')) AS left FROM items i WHERE job = ?1 AND finished >= ?2",
            job.id,
            job.begun.isoformat(),
        )[0]
        seconds = max(1e-3, (datetime.now(UTC) - job.begun).total_seconds())
        eta_s = row["left"] * seconds / row["bytes"] if row["bytes"] else None
        return Progress(row["documents"] * 3600 / seconds, row["tokens"] / seconds, eta_s)

    def _job(self, row: sqlite3.Row) -> Job:
        outcomes = self._db.read(
            "SELECT outcome, count(*) AS number FROM items WHERE job = ? GROUP BY outcome", row["id"]
        )
        chosen = self._db.read("SELECT * FROM selections WHERE job = ?", row["id"])
        selection = (
            Selection(tuple(json.loads(chosen[0]["include"])), tuple(json.loads(chosen[0]["exclude"])))
            if chosen
            else EVERYTHING
        )
        return Job(
            id=row["id"],
            collection=row["collection"],
            source=row["source"],
            place=Place(row["root"], selection) if row["root"] else None,
            sync=bool(row["sync"]),
            force=bool(chosen and chosen[0]["force"]),
            listed=bool(row["listed"]),
            state=row["state"],
            problem=row["problem"],
            created=datetime.fromisoformat(row["created"]),
            begun=_time(row["begun"]),
            finished=_time(row["finished"]),
            retry_at=_time(row["retry_at"]),
            outcomes={row["outcome"]: row["number"] for row in outcomes},
            given=given_of(self._db.read("SELECT * FROM job_given WHERE job = ?", row["id"])),
        )


_SEES = "(SELECT 1 FROM json_each({access}) WHERE value IN (SELECT value FROM json_each(?)))"
_SEEN = (
    # nothing in the collection is for some only; or
    " AND (NOT EXISTS (SELECT 1 FROM restricted r WHERE r.collection = jobs.collection) OR ("  # noqa: S608
    # what the job says lets them see its documents, and
    "NOT EXISTS (SELECT 1 FROM job_given g WHERE g.job = jobs.id AND coalesce(g.access, '[]') <> '[]' "
    f"AND NOT EXISTS {_SEES.format(access='g.access')}) "
    # so does every document it names: those that are gone are nobody's
    "AND NOT EXISTS (SELECT 1 FROM items i "
    "LEFT JOIN documents d ON d.collection = jobs.collection AND d.uri = i.uri "
    "LEFT JOIN labels l ON l.document = d.id WHERE i.job = jobs.id AND ("
    "(d.id IS NULL AND i.outcome NOT IN ('queued', 'running', 'skipped', 'cancelled')) "
    f"OR (coalesce(l.access, '[]') <> '[]' AND NOT EXISTS {_SEES.format(access='l.access')})))))"
)


def _seen(groups: Groups) -> tuple[str, list[str]]:
    """A condition on jobs: every document they name may be seen."""
    return ("", []) if groups is None else (_SEEN, [json.dumps(sorted(groups))] * 2)


def _time(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


def _add_items(
    db: sqlite3.Connection,
    job: str,
    sources: Sequence[Source],
    outcome: Outcome,
    error: IngestError | None = None,
) -> None:
    first = db.execute("SELECT coalesce(max(position) + 1, 0) FROM items WHERE job = ?", (job,)).fetchone()[0]
    why = (None, None) if error is None else (error.code, str(error))
    db.executemany(
        "INSERT INTO items (job, position, uri, name, path, size_bytes, outcome, error_code, error) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                job,
                first + offset,
                source.uri,
                source.name,
                str(source.path),
                _size_bytes(source.path),
                outcome,
                *why,
            )
            for offset, source in enumerate(sources)
        ],
    )


def _size_bytes(path: Path) -> int:
    """For the forecast only; 0 for what is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _item(row: sqlite3.Row) -> Item:
    return Item(
        position=row["position"],
        source=Source(uri=row["uri"], name=row["name"], path=Path(row["path"])),
        outcome=row["outcome"],
        attempts=row["attempts"],
        stage=row["stage"],
        chunks=row["chunks"],
        seconds=row["seconds"],
        error_code=row["error_code"],
        error=row["error"],
        note=row["note"],
    )
