"""Query sets, thumbs and runs, as they are kept in the database."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from sqlite3 import Row
from uuid import uuid4

from app.evaluation import schemas
from app.evaluation.schemas import Origin, QueryResult, Report, Run
from app.evaluation.sets import Query, Relevant
from app.schemas import Funnel, Ranking
from ingest.database import Database, now
from ingest.errors import NotPossible


class UnknownSet(LookupError):
    pass


class UnknownRun(LookupError):
    pass


class Store:
    """Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # query sets

    def add_set(self, name: str, origin: Origin, queries: Sequence[Query]) -> None:
        """Raises NotPossible if the name is taken: runs refer to what it stands for."""
        with self._db.write() as db:
            if db.execute("SELECT 1 FROM query_sets WHERE name = ?", (name,)).fetchone():
                raise NotPossible(f"there is a query set {name!r}: delete it first, or choose another name")
            db.execute("INSERT INTO query_sets VALUES (?, ?, ?)", (name, origin, now()))
            db.executemany(
                "INSERT INTO set_queries VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (name, position, query.id, query.text, query.language, _relevant_json(query))
                    for position, query in enumerate(queries)
                ],
            )

    def sets(self) -> list[schemas.QuerySet]:
        """By name."""
        languages: dict[str, dict[str, int]] = {}
        for row in self._db.read(
            "SELECT query_set, language, count(*) AS number FROM set_queries "
            "GROUP BY query_set, language ORDER BY number DESC, language"
        ):
            languages.setdefault(row["query_set"], {})[row["language"]] = row["number"]
        return [
            schemas.QuerySet(
                name=row["name"],
                origin=row["origin"],
                queries=sum(languages.get(row["name"], {}).values()),
                languages=languages.get(row["name"], {}),
                created=datetime.fromisoformat(row["created"]),
            )
            for row in self._db.read("SELECT * FROM query_sets ORDER BY name")
        ]

    def queries(self, name: str) -> list[Query]:
        """Raises UnknownSet."""
        self._require_set(name)
        return [
            Query(
                row["id"],
                row["text"],
                row["language"],
                tuple(Relevant(**one) for one in json.loads(row["relevant"])),
            )
            for row in self._db.read("SELECT * FROM set_queries WHERE query_set = ? ORDER BY position", name)
        ]

    def remove_set(self, name: str) -> None:
        """Its runs stay. Raises UnknownSet."""
        self._require_set(name)
        with self._db.write() as db:
            db.execute("DELETE FROM query_sets WHERE name = ?", (name,))

    def _require_set(self, name: str) -> None:
        if not self._db.read("SELECT 1 FROM query_sets WHERE name = ?", name):
            known = ", ".join(one.name for one in self.sets())
            raise UnknownSet(f"no query set {name!r}; there is {known or 'none yet'}")

    # thumbs

    def add_thumb(self, collection: str, query: str, uri: str, quote: str, *, up: bool | None) -> None:
        """Keep what somebody thought of a passage, the last word counting; None takes it back."""
        with self._db.write() as db:
            db.execute(
                "DELETE FROM feedback WHERE collection = ? AND query = ? AND uri = ? AND quote = ?",
                (collection, query, uri, quote),
            )
            if up is not None:
                db.execute(
                    "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?)",
                    (collection, query, uri, quote, up, now()),
                )

    def thumbs_up(self, collection: str) -> dict[str, list[Relevant]]:
        """What was found helpful, per query; first asked, first listed."""
        liked: dict[str, list[Relevant]] = {}
        for row in self._db.read(
            "SELECT * FROM feedback WHERE collection = ? AND up ORDER BY updated, rowid", collection
        ):
            liked.setdefault(row["query"], []).append(Relevant(row["uri"], row["quote"]))
        return liked

    # runs

    def add_run(
        self,
        query_set: str,
        collection: str,
        ranking: Ranking,
        dim: int | None,
        *,
        exact: bool,
        funnel: Funnel | None,
        encoder: str,
        fingerprint: str,
        recipe: str,
    ) -> Run:
        """Queue a run. Raises UnknownSet."""
        total = len(self.queries(query_set))
        run = str(uuid4())
        with self._db.write() as db:
            db.execute(
                "INSERT INTO runs (id, query_set, collection, ranking, dim, exact, funnel, encoder, "
                "fingerprint, recipe, state, total, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)",
                (
                    run,
                    query_set,
                    collection,
                    ranking,
                    dim,
                    exact,
                    funnel.model_dump_json() if funnel else None,
                    encoder,
                    fingerprint,
                    recipe,
                    total,
                    now(),
                ),
            )
        return self.run(run)

    def runs(self, query_set: str | None = None, collection: str | None = None) -> list[Run]:
        """Newest first."""
        rows = self._db.read(
            "SELECT * FROM runs WHERE query_set = coalesce(?, query_set) "
            "AND collection = coalesce(?, collection) ORDER BY created DESC, rowid DESC",
            query_set,
            collection,
        )
        return [_run(row) for row in rows]

    def run(self, run: str) -> Run:
        """Raises UnknownRun."""
        rows = self._db.read("SELECT * FROM runs WHERE id = ?", run)
        if not rows:
            raise UnknownRun(f"no run {run!r}; it may have been deleted")
        return _run(rows[0])

    def next_run(self) -> Run | None:
        """The oldest queued one, from now on running."""
        with self._db.write() as db:
            row = db.execute(
                "UPDATE runs SET state = 'running', problem = NULL, done = 0 WHERE id = "
                "(SELECT id FROM runs WHERE state = 'queued' ORDER BY created, rowid LIMIT 1) RETURNING *"
            ).fetchone()
        return _run(row) if row else None

    def advance(self, run: str, done: int) -> bool:
        """Say how many queries are done; False if the run was deleted."""
        with self._db.write(durable=False) as db:
            return db.execute("UPDATE runs SET done = ? WHERE id = ?", (done, run)).rowcount > 0

    def finish_run(
        self,
        run: str,
        results: Sequence[QueryResult],
        report: Report,
        *,
        missing: int,
        left_out: int,
        seconds: float,
    ) -> None:
        with self._db.write() as db:
            changed = db.execute(
                "UPDATE runs SET state = 'done', done = total, missing = ?, left_out = ?, seconds = ?, "
                "report = ? WHERE id = ?",
                (missing, left_out, seconds, report.model_dump_json(), run),
            ).rowcount
            if changed:
                db.executemany(
                    "INSERT INTO run_results VALUES (?, ?, ?)",
                    [(run, position, one.model_dump_json()) for position, one in enumerate(results)],
                )

    def fail_run(self, run: str, problem: str) -> None:
        with self._db.write() as db:
            db.execute("UPDATE runs SET state = 'failed', problem = ? WHERE id = ?", (problem, run))

    def requeue_running(self) -> None:
        """Put back what a stopped process left running: a run is done anew from its first query."""
        with self._db.write() as db:
            db.execute("UPDATE runs SET state = 'queued', done = 0 WHERE state = 'running'")

    def results(self, run: str) -> list[QueryResult]:
        rows = self._db.read("SELECT result FROM run_results WHERE run = ? ORDER BY position", run)
        return [QueryResult.model_validate_json(row["result"]) for row in rows]

    def remove_run(self, run: str) -> None:
        """Forget a run; one at work stops. Raises UnknownRun."""
        self.run(run)
        with self._db.write() as db:
            db.execute("DELETE FROM runs WHERE id = ?", (run,))


def _relevant_json(query: Query) -> str:
    return json.dumps([asdict(one) for one in query.relevant], ensure_ascii=False)


def _run(row: Row) -> Run:
    return Run(
        id=row["id"],
        query_set=row["query_set"],
        collection=row["collection"],
        ranking=row["ranking"],
        dim=row["dim"],
        exact=bool(row["exact"]),
        funnel=Funnel.model_validate_json(row["funnel"]) if row["funnel"] else None,
        encoder=row["encoder"],
        fingerprint=row["fingerprint"],
        recipe=row["recipe"],
        state=row["state"],
        problem=row["problem"],
        done=row["done"],
        total=row["total"],
        missing=row["missing"],
        left_out=row["left_out"],
        created=datetime.fromisoformat(row["created"]),
        seconds=row["seconds"],
        report=Report.model_validate_json(row["report"]) if row["report"] else None,
    )
