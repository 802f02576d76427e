"""The ledger's file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.database import Database
from ingest.errors import IndexDamaged


def test_a_ledger_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    old = sqlite3.connect(path)
    with old:
        old.execute("CREATE TABLE collections (name TEXT PRIMARY KEY, created TEXT NOT NULL)")
    old.close()

    with pytest.raises(IndexDamaged, match=r"schema 0, this one's is \d+.*choose another KALM_DATA_DIR"):
        Database(path)

    assert path.is_file()
    with closing(sqlite3.connect(path)) as kept:
        tables = kept.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("collections",)]
