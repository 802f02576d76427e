"""The ledger's file, as earlier releases left it."""

import sqlite3
from pathlib import Path

from ingest.database import Database
from ingest.ledger import Ledger


def test_a_ledger_without_recipes_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    old = sqlite3.connect(path)
    with old:
        old.execute("CREATE TABLE collections (name TEXT PRIMARY KEY, created TEXT NOT NULL)")
        old.execute(
            "CREATE TABLE versions (id TEXT PRIMARY KEY, collection TEXT NOT NULL, "
            "title TEXT NOT NULL, language TEXT NOT NULL, chunks INTEGER NOT NULL)"
        )
        old.execute("INSERT INTO collections VALUES ('library', '2026-01-01T00:00:00+00:00')")
        old.execute("INSERT INTO versions VALUES ('v', 'library', 'Old', 'en', 3)")
    old.close()

    for _ in range(2):  # and opening it again changes nothing
        database = Database(path)
        assert Ledger(database).versions("library") == {"v": 3}
        assert [row["recipe"] for row in database.read("SELECT * FROM versions")] == ["parser 1, chunker 1"]
        database.close()
