"""What is left to do: jobs and their items, claimed one at a time, durable at every step."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from ingest.archives import Unpacked
from ingest.database import Database, now
from ingest.errors import LeftOut, UnknownJob
from ingest.places import EVERYTHING, Place, Selection
from ingest.records import Source

Outcome = Literal[
    "queued", "running", "added", "changed", "unchanged", "alias", "removed", "skipped", "failed", "cancelled"
]
"""`skipped` is what is no document at all, such as a link in an archive."""
JobState = Literal["queued", "running", "done", "cancelled", "stopped"]


@dataclass(frozen=True, slots=True)
class Item:
    """One source of one job, and what became of it."""

    position: int
    source: Source
    outcome: Outcome
    attempts: int
    chunks: int
    seconds: float | None
    error_code: str | None
    error: str | None


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
    finished: datetime | None
    outcomes: dict[Outcome, int]


class Jobs:
    """The queue. Safe from several threads; meant for one worker."""

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
    ) -> Job:
        """Queue a job: either a `root` still to be listed, or `items`. Durable when it returns."""
        job = str(uuid4())
        with self._db.write() as db:
            db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, 'queued', NULL, ?, NULL)",
                (job, collection, source, root and str(root), sync, root is None, now()),
            )
            if force or selection != EVERYTHING:
                globs = (json.dumps(selection.include), json.dumps(selection.exclude))
                db.execute("INSERT INTO selections VALUES (?, ?, ?, ?)", (job, *globs, force))
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
                _add_items(db, job, [refused.source], outcome, refused.error.code, str(refused.error))
            db.execute("DELETE FROM items WHERE job = ? AND position = ?", (job, position))
            if found.problem is not None:
                _add_items(db, job, [found.archive], "failed", found.problem.code, str(found.problem))

    def add_removed(self, job: str, source: Source) -> None:
        """An item that arose on the way: a document that sync took out."""
        with self._db.write() as db:
            _add_items(db, job, [source], "removed")

    def latest(self, limit: int = 50) -> list[Job]:
        """Newest first."""
        rows = self._db.read("SELECT * FROM jobs ORDER BY created DESC, rowid DESC LIMIT ?", limit)
        return [self._job(row) for row in rows]

    def get(self, job: str) -> Job:
        """Raises UnknownJob."""
        rows = self._db.read("SELECT * FROM jobs WHERE id = ?", job)
        if not rows:
            raise UnknownJob(f"no job {job!r}")
        return self._job(rows[0])

    def next(self) -> Job | None:
        """The oldest job that is not finished."""
        rows = self._db.read("SELECT * FROM jobs WHERE state IN ('running', 'queued') ORDER BY rowid LIMIT 1")
        return self._job(rows[0]) if rows else None

    def items(self, job: str) -> list[Item]:
        return [
            _item(row) for row in self._db.read("SELECT * FROM items WHERE job = ? ORDER BY position", job)
        ]

    def claim_item(self, job: str) -> Item | None:
        """The next queued item, now running and with one attempt more; None when all are done.

        Attempts are counted before the work, so a file that kills the process is found out.
        """
        with self._db.write() as db:
            row = db.execute(
                "UPDATE items SET outcome = 'running', attempts = attempts + 1 WHERE job = ?1 AND position = "
                "(SELECT min(position) FROM items WHERE job = ?1 AND outcome = 'queued') RETURNING *",
                (job,),
            ).fetchone()
        return _item(row) if row else None

    def finish_item(
        self,
        job: str,
        position: int,
        outcome: Outcome,
        *,
        chunks: int = 0,
        seconds: float | None = None,
        error_code: str | None = None,
        error: str | None = None,
    ) -> None:
        with self._db.write() as db:
            db.execute(
                "UPDATE items SET outcome = ?, chunks = ?, seconds = ?, error_code = ?, error = ? "
                "WHERE job = ? AND position = ?",
                (outcome, chunks, seconds, error_code, error, job, position),
            )

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

    def move(self, job: str, state: JobState, problem: str | None = None) -> None:
        """Bring an unfinished job to `state`; a finished one stays as it is, only `retry` revives it."""
        finished = None if state in {"queued", "running"} else now()
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, problem = ?, finished = ? "
                "WHERE id = ? AND state IN ('queued', 'running')",
                (state, problem, finished, job),
            )

    def cancel(self, job: str) -> Job:
        """Let the document at hand finish and drop the rest. Raises UnknownJob."""
        self.move(job, "cancelled")
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
                "UPDATE jobs SET state = 'queued', problem = NULL, finished = NULL WHERE id = ?", (job,)
            )
        return self.get(job)

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
            finished=datetime.fromisoformat(row["finished"]) if row["finished"] else None,
            outcomes={row["outcome"]: row["number"] for row in outcomes},
        )


def _add_items(
    db: sqlite3.Connection,
    job: str,
    sources: Sequence[Source],
    outcome: Outcome,
    error_code: str | None = None,
    error: str | None = None,
) -> None:
    first = db.execute("SELECT coalesce(max(position) + 1, 0) FROM items WHERE job = ?", (job,)).fetchone()[0]
    db.executemany(
        "INSERT INTO items (job, position, uri, name, path, outcome, error_code, error) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (job, first + offset, source.uri, source.name, str(source.path), outcome, error_code, error)
            for offset, source in enumerate(sources)
        ],
    )


def _item(row: sqlite3.Row) -> Item:
    return Item(
        position=row["position"],
        source=Source(uri=row["uri"], name=row["name"], path=Path(row["path"])),
        outcome=row["outcome"],
        attempts=row["attempts"],
        chunks=row["chunks"],
        seconds=row["seconds"],
        error_code=row["error_code"],
        error=row["error"],
    )
