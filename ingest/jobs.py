"""What is left to do: jobs and their items, claimed one at a time, durable at every step."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from ingest.database import Database, now
from ingest.errors import UnknownJob
from ingest.records import Source

Outcome = Literal[
    "queued", "running", "added", "changed", "unchanged", "alias", "removed", "failed", "cancelled"
]
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
    root: Path | None
    """Folder or file to list; None for uploads."""
    sync: bool
    """Whether documents that are no longer below `root` are removed."""
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
        root: Path | None = None,
        sync: bool = False,
        items: Sequence[Source] = (),
    ) -> Job:
        """Queue a job: either a `root` still to be listed, or `items`. Durable when it returns."""
        job = str(uuid4())
        with self._db.write() as db:
            db.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, 'queued', NULL, ?, NULL)",
                (job, collection, source, root and str(root), sync, root is None, now()),
            )
            _add_items(db, job, items, "queued")
        return self.get(job)

    def list_items(self, job: str, items: Sequence[Source]) -> None:
        """Store what the job's root holds; from here on a restart does not list again."""
        with self._db.write() as db:
            _add_items(db, job, items, "queued")
            db.execute("UPDATE jobs SET listed = 1 WHERE id = ?", (job,))

    def add_removed(self, job: str, source: Source) -> None:
        """An item that arose on the way: a document that sync took out."""
        with self._db.write() as db:
            _add_items(db, job, [source], "removed")

    def latest(self, limit: int = 50, *, offset: int = 0, collection: str | None = None) -> list[Job]:
        """Newest first, of all collections or of one."""
        rows = self._db.read(
            "SELECT * FROM jobs WHERE ?1 IS NULL OR collection = ?1 "
            "ORDER BY created DESC, rowid DESC LIMIT ?2 OFFSET ?3",
            collection,
            limit,
            offset,
        )
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

    def items(self, job: str, *, outcome: Outcome | None = None, limit: int = -1) -> list[Item]:
        """What became of each document, or of those with one outcome; `limit` -1 for all."""
        rows = self._db.read(
            "SELECT * FROM items WHERE job = ?1 AND (?2 IS NULL OR outcome = ?2) ORDER BY position LIMIT ?3",
            job,
            outcome,
            limit,
        )
        return [_item(row) for row in rows]

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
        return Job(
            id=row["id"],
            collection=row["collection"],
            source=row["source"],
            root=Path(row["root"]) if row["root"] else None,
            sync=bool(row["sync"]),
            listed=bool(row["listed"]),
            state=row["state"],
            problem=row["problem"],
            created=datetime.fromisoformat(row["created"]),
            finished=datetime.fromisoformat(row["finished"]) if row["finished"] else None,
            outcomes={row["outcome"]: row["number"] for row in outcomes},
        )


def _add_items(db: sqlite3.Connection, job: str, sources: Sequence[Source], outcome: Outcome) -> None:
    first = db.execute("SELECT coalesce(max(position) + 1, 0) FROM items WHERE job = ?", (job,)).fetchone()[0]
    db.executemany(
        "INSERT INTO items (job, position, uri, name, path, outcome) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (job, first + offset, source.uri, source.name, str(source.path), outcome)
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
