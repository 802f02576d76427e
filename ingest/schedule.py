"""Named sources: places that collections are kept in sync with, and when each is due; durable."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.database import Database
from ingest.errors import UnknownSource
from ingest.labels import given_of, put_given
from ingest.places import Place, Selection
from ingest.records import NOTHING_GIVEN, Given


@dataclass(frozen=True, slots=True)
class NamedSource:
    name: str
    collection: str
    place: Place
    every_s: int | None
    """From one sync to the next; None: not by the clock."""
    watch: bool
    """Whether a change at the place is reason enough for a sync."""
    due: datetime | None
    """When the next sync is queued, at the earliest."""
    mark: str | None
    """What a watched folder looked like when it was last queued."""
    job: str | None
    """The last one, by id."""
    problem: str | None
    """Why no job could be queued when it was time; None if one was. A job's own problem is with the job."""
    given: Given
    """What is said of its documents."""


class Schedule:
    """The table of named sources. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(
        self,
        name: str,
        collection: str,
        place: Place,
        *,
        every_s: int | None,
        watch: bool,
        now: datetime,
        given: Given = NOTHING_GIVEN,
    ) -> NamedSource:
        """Make a source or replace it: due at once, unless it is only ever run by hand."""
        due = now.isoformat() if every_s or watch else None
        globs = (json.dumps(place.selection.include), json.dumps(place.selection.exclude))
        with self._db.write() as db:
            db.execute(
                "INSERT INTO sources (name, collection, root, include, exclude, every_s, watch, due) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                "collection = excluded.collection, root = excluded.root, include = excluded.include, "
                "exclude = excluded.exclude, every_s = excluded.every_s, watch = excluded.watch, "
                "due = excluded.due, mark = NULL, problem = NULL",
                (name, collection, place.root, *globs, every_s, watch, due),
            )
            put_given(db, "source", name, given)
        return self.get(name)

    def get(self, name: str) -> NamedSource:
        """Raises UnknownSource."""
        rows = self._db.read("SELECT * FROM sources WHERE name = ?", name)
        if not rows:
            raise UnknownSource(f"no source {name!r}")
        return self._source(rows[0])

    def sources(self) -> list[NamedSource]:
        """All, by name."""
        return [self._source(row) for row in self._db.read("SELECT * FROM sources ORDER BY name")]

    def idle(self) -> list[NamedSource]:
        """Those whose last job has ended, the longest due first."""
        rows = self._db.read(
            "SELECT * FROM sources WHERE NOT EXISTS "
            "(SELECT 1 FROM jobs WHERE id = sources.job AND finished IS NULL) ORDER BY due IS NULL, due, name"
        )
        return [self._source(row) for row in rows]

    def forget(self, name: str) -> None:
        """Drop a source; its documents stay. Raises UnknownSource."""
        self.get(name)
        with self._db.write() as db:
            db.execute("DELETE FROM sources WHERE name = ?", (name,))

    def queued(self, source: NamedSource, job: str, *, mark: str | None, now: datetime) -> None:
        """A sync of it was queued."""
        with self._db.write() as db:
            db.execute(
                "UPDATE sources SET job = ?, mark = coalesce(?, mark), due = ?, problem = NULL "
                "WHERE name = ?",
                (job, mark, _next(source, now), source.name),
            )

    def failed(self, source: NamedSource, problem: str, *, now: datetime) -> None:
        """No sync could be queued; one that was due is tried again at its next time."""
        was_due = source.due is not None and source.due <= now
        due = _next(source, now) if was_due else source.due and source.due.isoformat()
        with self._db.write() as db:
            db.execute("UPDATE sources SET problem = ?, due = ? WHERE name = ?", (problem, due, source.name))

    def recovered(self, source: NamedSource) -> None:
        """What kept it from being queued is over."""
        with self._db.write() as db:
            db.execute("UPDATE sources SET problem = NULL WHERE name = ?", (source.name,))

    def _source(self, row: sqlite3.Row) -> NamedSource:
        selection = Selection(tuple(json.loads(row["include"])), tuple(json.loads(row["exclude"])))
        return NamedSource(
            name=row["name"],
            collection=row["collection"],
            place=Place(row["root"], selection),
            every_s=row["every_s"],
            watch=bool(row["watch"]),
            due=None if row["due"] is None else datetime.fromisoformat(row["due"]),
            mark=row["mark"],
            job=row["job"],
            problem=row["problem"],
            given=given_of(self._db.read("SELECT * FROM source_given WHERE source = ?", row["name"])),
        )


def _next(source: NamedSource, now: datetime) -> str | None:
    return None if source.every_s is None else (now + timedelta(seconds=source.every_s)).isoformat()
