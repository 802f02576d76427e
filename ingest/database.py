"""The SQLite file under the ledger and the jobs: schema, transactions, one connection for all threads."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import IndexDamaged

_SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    title TEXT NOT NULL, language TEXT NOT NULL, chunks INTEGER NOT NULL,
    recipe TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tunings (
    collection TEXT PRIMARY KEY REFERENCES collections(name) ON DELETE CASCADE,
    tuning TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS likenesses (
    version TEXT NOT NULL REFERENCES versions(id) ON DELETE CASCADE,
    collection TEXT NOT NULL, band INTEGER NOT NULL, bits TEXT NOT NULL,
    PRIMARY KEY (version, band)
);
CREATE INDEX IF NOT EXISTS likenesses_by_band ON likenesses(collection, band);
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    uri TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, updated TEXT NOT NULL,
    version TEXT REFERENCES versions(id),
    error_code TEXT, error TEXT,
    UNIQUE (collection, uri)
);
CREATE INDEX IF NOT EXISTS documents_by_version ON documents(version);
CREATE TABLE IF NOT EXISTS labels (
    document TEXT PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
    labels TEXT NOT NULL, access TEXT NOT NULL, modified TEXT, ingested TEXT
);
CREATE TABLE IF NOT EXISTS restricted (
    collection TEXT PRIMARY KEY REFERENCES collections(name) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS unlabelled (
    version TEXT PRIMARY KEY REFERENCES versions(id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS payloads (
    collection TEXT PRIMARY KEY REFERENCES collections(name) ON DELETE CASCADE, format INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_path ON documents(path);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    source TEXT NOT NULL, root TEXT, sync INTEGER NOT NULL,
    listed INTEGER NOT NULL, state TEXT NOT NULL, problem TEXT,
    created TEXT NOT NULL, finished TEXT,
    begun TEXT, waits INTEGER NOT NULL DEFAULT 0, retry_at TEXT
);
CREATE TABLE IF NOT EXISTS items (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    uri TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    stage TEXT, chunks INTEGER NOT NULL DEFAULT 0, seconds REAL, finished TEXT,
    error_code TEXT, error TEXT, note TEXT,
    PRIMARY KEY (job, position)
);
CREATE TABLE IF NOT EXISTS stages (
    job TEXT NOT NULL, position INTEGER NOT NULL, stage TEXT NOT NULL,
    seconds REAL NOT NULL, work INTEGER NOT NULL,
    PRIMARY KEY (job, position, stage),
    FOREIGN KEY (job, position) REFERENCES items(job, position) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS items_by_outcome ON items(job, outcome, position);
CREATE TABLE IF NOT EXISTS selections (
    job TEXT PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
    include TEXT NOT NULL, exclude TEXT NOT NULL, force INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS job_given (
    job TEXT PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
    labels TEXT, access TEXT, modified TEXT
);
CREATE TABLE IF NOT EXISTS seen (
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    uri TEXT NOT NULL, tag TEXT NOT NULL, content_hash TEXT NOT NULL,
    PRIMARY KEY (collection, uri)
);
CREATE TABLE IF NOT EXISTS sources (
    name TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    root TEXT NOT NULL, include TEXT NOT NULL, exclude TEXT NOT NULL,
    every_s INTEGER, watch INTEGER NOT NULL,
    due TEXT, mark TEXT, job TEXT REFERENCES jobs(id) ON DELETE SET NULL, problem TEXT
);
CREATE TABLE IF NOT EXISTS source_given (
    source TEXT PRIMARY KEY REFERENCES sources(name) ON DELETE CASCADE,
    labels TEXT, access TEXT, modified TEXT
);
CREATE TABLE IF NOT EXISTS feedback (
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    query TEXT NOT NULL, uri TEXT NOT NULL, quote TEXT NOT NULL,
    up INTEGER NOT NULL, updated TEXT NOT NULL,
    PRIMARY KEY (collection, query, uri, quote)
);
CREATE TABLE IF NOT EXISTS query_sets (
    name TEXT PRIMARY KEY, origin TEXT NOT NULL, created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS set_queries (
    query_set TEXT NOT NULL REFERENCES query_sets(name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL, text TEXT NOT NULL, language TEXT NOT NULL, relevant TEXT NOT NULL,
    PRIMARY KEY (query_set, position)
);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, query_set TEXT NOT NULL, collection TEXT NOT NULL,
    ranking TEXT NOT NULL, dim INTEGER, exact INTEGER NOT NULL, funnel TEXT,
    encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, recipe TEXT NOT NULL,
    state TEXT NOT NULL, problem TEXT,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0, left_out INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL, seconds REAL, report TEXT
);
CREATE TABLE IF NOT EXISTS run_results (
    run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
    position INTEGER NOT NULL, result TEXT NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE TABLE IF NOT EXISTS trainings (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL, settings TEXT NOT NULL, base TEXT NOT NULL,
    state TEXT NOT NULL, problem TEXT,
    created TEXT NOT NULL, begun TEXT, finished TEXT
);
CREATE TABLE IF NOT EXISTS shadows (
    training TEXT PRIMARY KEY REFERENCES trainings(id) ON DELETE CASCADE,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    state TEXT NOT NULL, problem TEXT,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    agreement TEXT, served INTEGER NOT NULL DEFAULT 0, replaces TEXT
);
"""

_VERSION = 2
"""Of the schema."""


class Database:
    """One file in WAL mode. A commit survives whatever happens to the process when it returns."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises IndexDamaged for one of another version of kalm-rag."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("casefold", 1, str.casefold, deterministic=True)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found != _VERSION and self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._connection.close()
            raise IndexDamaged(
                f"{path} is of another version of kalm-rag (schema {found}, this one's is {_VERSION}): "
                "choose another KALM_DATA_DIR and ingest again"
            )
        self._connection.executescript(_SCHEMA + f"PRAGMA user_version={_VERSION};")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it happens or none.

        A `durable` one survives a power cut as well. Others may be undone by one, with all that came after
        them: good enough for work that is then done again, and 50 times as fast on a slow disk.
        """
        with self._lock:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def now() -> str:
    """As times are stored: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
