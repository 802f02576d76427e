"""Trainings and the indexes that were built with their models, as they are kept in the database."""

import json
import sqlite3
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

from app.adaptation.schemas import NewTraining, ShadowState, TrainingState
from ingest.database import Database, now
from ingest.shadow import Agreement


class UnknownTraining(LookupError):
    pass


@dataclass(frozen=True, slots=True)
class TrainingRow:
    id: str
    settings: NewTraining
    base: str
    """A catalog name or folder."""
    state: TrainingState
    problem: str | None
    created: datetime
    begun: datetime | None
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class ShadowRow:
    training: str
    collection: str
    state: ShadowState
    problem: str | None
    done: int
    total: int
    agreement: Agreement | None
    served: bool
    replaces: str | None
    """The training whose index was served before; None for the collection's first."""


class Store:
    """Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # trainings

    def add(self, settings: NewTraining, base: str) -> TrainingRow:
        training = str(uuid4())
        with self._db.write() as db:
            db.execute(
                "INSERT INTO trainings (id, collection, settings, base, state, created) "
                "VALUES (?, ?, ?, ?, 'preparing', ?)",
                (training, settings.collection, settings.model_dump_json(), base, now()),
            )
        return self.get(training)

    def all(self, collection: str | None = None) -> list[TrainingRow]:
        """Newest first."""
        rows = self._db.read(
            "SELECT * FROM trainings WHERE state != 'preparing' AND (?1 IS NULL OR collection = ?1) "
            "ORDER BY created DESC, rowid DESC",
            collection,
        )
        return [_training(row) for row in rows]

    def get(self, training: str) -> TrainingRow:
        """Raises UnknownTraining."""
        rows = self._db.read("SELECT * FROM trainings WHERE id = ?", training)
        if not rows:
            raise UnknownTraining(f"no training {training!r}; it may have been deleted")
        return _training(rows[0])

    def requeue(self) -> None:
        """Put back what a killed process left running; what it was only preparing goes. Called at start."""
        with self._db.write() as db:
            db.execute("DELETE FROM trainings WHERE state = 'preparing'")
            db.execute("UPDATE trainings SET state = 'queued' WHERE state = 'running'")
            db.execute("UPDATE shadows SET state = 'queued' WHERE state = 'building'")

    def next(self) -> TrainingRow | None:
        """The oldest queued one, from now on running."""
        with self._db.write() as db:
            row = db.execute(
                "UPDATE trainings SET state = 'running', problem = NULL, begun = ?, finished = NULL "
                "WHERE id = (SELECT id FROM trainings WHERE state = 'queued' ORDER BY created LIMIT 1) "
                "RETURNING *",
                (now(),),
            ).fetchone()
        return _training(row) if row else None

    def queue(self, training: str) -> None:
        """What was prepared, cancelled or stopped."""
        with self._db.write() as db:
            db.execute(
                "UPDATE trainings SET state = 'queued', problem = NULL, finished = NULL "
                "WHERE id = ? AND state IN ('preparing', 'cancelled', 'stopped')",
                (training,),
            )

    def finish(
        self, training: str, state: Literal["done", "cancelled", "stopped"], problem: str | None = None
    ) -> None:
        """End a queued or running one."""
        with self._db.write() as db:
            db.execute(
                "UPDATE trainings SET state = ?, problem = ?, finished = ? "
                "WHERE id = ? AND state IN ('queued', 'running')",
                (state, problem, now(), training),
            )

    def remove(self, training: str) -> None:
        with self._db.write() as db:
            db.execute("DELETE FROM trainings WHERE id = ?", (training,))

    # indexes

    def queue_shadow(self, training: str, collection: str) -> None:
        """Build it, go on with it, or bring it up to date."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO shadows (training, collection, state) VALUES (?, ?, 'queued') "
                "ON CONFLICT (training) DO UPDATE SET state = 'queued', problem = NULL",
                (training, collection),
            )

    def shadow(self, training: str) -> ShadowRow | None:
        rows = self._db.read("SELECT * FROM shadows WHERE training = ?", training)
        return _shadow(rows[0]) if rows else None

    def shadows(self, collection: str) -> list[ShadowRow]:
        return [
            _shadow(row) for row in self._db.read("SELECT * FROM shadows WHERE collection = ?", collection)
        ]

    def next_shadow(self) -> ShadowRow | None:
        """The oldest queued one, from now on building."""
        with self._db.write() as db:
            row = db.execute(
                "UPDATE shadows SET state = 'building', problem = NULL, done = 0, total = 0 WHERE training = "
                "(SELECT training FROM shadows WHERE state = 'queued' ORDER BY rowid LIMIT 1) RETURNING *"
            ).fetchone()
        return _shadow(row) if row else None

    def advance_shadow(self, training: str, done: int, total: int) -> bool:
        """False if it was taken back meanwhile."""
        with self._db.write(durable=False) as db:
            return (
                db.execute(
                    "UPDATE shadows SET done = ?, total = ? WHERE training = ? AND state = 'building'",
                    (done, total, training),
                ).rowcount
                > 0
            )

    def finish_shadow(
        self,
        training: str,
        state: Literal["ready", "stopped"],
        problem: str | None = None,
        agreement: Agreement | None = None,
    ) -> None:
        told = json.dumps(asdict(agreement)) if agreement else None
        with self._db.write() as db:
            db.execute(
                "UPDATE shadows SET state = ?, problem = ?, agreement = coalesce(?, agreement) "
                "WHERE training = ? AND state = 'building'",
                (state, problem, told, training),
            )

    def remove_shadow(self, training: str) -> None:
        with self._db.write() as db:
            db.execute("DELETE FROM shadows WHERE training = ?", (training,))

    def served(self, collection: str) -> ShadowRow | None:
        """What a collection is served from; None is its first index."""
        rows = self._db.read("SELECT * FROM shadows WHERE collection = ? AND served", collection)
        return _shadow(rows[0]) if rows else None

    def serve(self, collection: str, training: str | None, replaces: str | None) -> None:
        """From here on the collection is served from this index: the one moment the change is made."""
        with self._db.write() as db:
            db.execute("UPDATE shadows SET served = 0 WHERE collection = ?", (collection,))
            db.execute(
                "UPDATE shadows SET served = 1, replaces = ? WHERE collection = ? AND training = ?",
                (replaces, collection, training),
            )


def _training(row: sqlite3.Row) -> TrainingRow:
    times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in ("begun", "finished")}
    return TrainingRow(
        id=row["id"],
        settings=NewTraining.model_validate_json(row["settings"]),
        base=row["base"],
        state=row["state"],
        problem=row["problem"],
        created=datetime.fromisoformat(row["created"]),
        **times,
    )


def _shadow(row: sqlite3.Row) -> ShadowRow:
    return ShadowRow(
        training=row["training"],
        collection=row["collection"],
        state=row["state"],
        problem=row["problem"],
        done=row["done"],
        total=row["total"],
        agreement=Agreement(**json.loads(row["agreement"])) if row["agreement"] else None,
        served=bool(row["served"]),
        replaces=row["replaces"],
    )
