"""The SQLite file under the ledger and the jobs: schema, transactions, one connection for all threads."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (name TEXT PRIMARY KEY, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    title TEXT NOT NULL, language TEXT NOT NULL, chunks INTEGER NOT NULL
);
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
CREATE INDEX IF NOT EXISTS documents_by_path ON documents(path);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections(name) ON DELETE CASCADE,
    source TEXT NOT NULL, root TEXT, sync INTEGER NOT NULL,
    listed INTEGER NOT NULL, state TEXT NOT NULL, problem TEXT,
    created TEXT NOT NULL, finished TEXT
);
CREATE TABLE IF NOT EXISTS items (
    job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    uri TEXT NOT NULL, name TEXT NOT NULL, path TEXT NOT NULL,
    outcome TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0, seconds REAL, error_code TEXT, error TEXT,
    PRIMARY KEY (job, position)
);
CREATE INDEX IF NOT EXISTS items_by_outcome ON items(job, outcome, position);
CREATE TABLE IF NOT EXISTS selections (
    job TEXT PRIMARY KEY REFERENCES jobs(id) ON DELETE CASCADE,
    include TEXT NOT NULL, exclude TEXT NOT NULL, force INTEGER NOT NULL
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
    due TEXT, mark TEXT, job TEXT, problem TEXT
);
"""


class Database:
    """One file in WAL mode; every commit is on disk when it returns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("casefold", 1, str.casefold, deterministic=True)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it happens or none."""
        with self._lock:
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
