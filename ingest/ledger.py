"""What the collections hold: documents and the versions they are served from. The ledger is the truth.

A version is one content as parsed by one recipe; documents point at it, so two sources with the same
content share one set of points. The index is made to agree with what stands here, never the reverse.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from ingest.database import Database, now
from ingest.errors import UnknownCollection, UnknownDocument
from ingest.records import Document, Source, document_id


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as last published, or as it last failed."""

    id: str
    collection: str
    uri: str
    name: str
    path: Path
    size_bytes: int
    updated: datetime
    version: str | None
    """None until it was published once."""
    title: str | None
    language: str | None
    """The one most of its chunks are in."""
    chunks: int
    error_code: str | None
    error: str | None
    """Why the last attempt failed; the published version, if there is one, still serves."""


class Ledger:
    """Collections, documents and versions. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_collection(self, name: str) -> None:
        """Make a collection; one that is there stays as it is."""
        with self._db.write() as db:
            db.execute("INSERT OR IGNORE INTO collections VALUES (?, ?)", (name, now()))

    def collections(self) -> dict[str, datetime]:
        """Name and time of creation of each, oldest first."""
        rows = self._db.read("SELECT * FROM collections ORDER BY created, name")
        return {row["name"]: datetime.fromisoformat(row["created"]) for row in rows}

    def remove_collection(self, name: str) -> None:
        """Forget a collection with its documents and jobs. Raises UnknownCollection."""
        self.require_collection(name)
        with self._db.write() as db:
            db.execute("DELETE FROM documents WHERE collection = ?", (name,))
            db.execute("DELETE FROM collections WHERE name = ?", (name,))

    def require_collection(self, name: str) -> None:
        """Raises UnknownCollection, naming those that exist."""
        known = self.collections()
        if name not in known:
            raise UnknownCollection(f"no collection {name!r}; there is {', '.join(known) or 'none yet'}")

    def documents(
        self,
        collection: str,
        *,
        text: str = "",
        state: Literal["ready", "failed"] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[list[DocumentRow], int]:
        """Those whose name or title contains `text`, by name; and how many there are in all."""
        values = (collection, text.casefold(), text.casefold(), state, state == "ready")
        rows = self._db.read(
            _DOCUMENTS + _MATCHING + " ORDER BY d.name, d.uri LIMIT ? OFFSET ?", *values, limit, offset
        )
        total = self._db.read("SELECT count(*) FROM (" + _DOCUMENTS + _MATCHING + ")", *values)  # noqa: S608 constants
        return [_document(row) for row in rows], total[0][0]

    def document(self, document: str) -> DocumentRow:
        """Raises UnknownDocument."""
        rows = self._db.read(f"{_DOCUMENTS} WHERE d.id = ?", document)
        if not rows:
            raise UnknownDocument(f"no document {document!r}; it may have been deleted")
        return _document(rows[0])

    def documents_of(self, versions: Iterable[str]) -> dict[str, list[DocumentRow]]:
        """The documents that cite each of these versions, by name; a version nobody cites is left out."""
        wanted = sorted(set(versions))
        marks = ", ".join("?" * len(wanted))
        cited: dict[str, list[DocumentRow]] = {}
        for row in self._db.read(
            f"{_DOCUMENTS} WHERE d.version IN ({marks}) ORDER BY d.name, d.uri", *wanted
        ):
            cited.setdefault(row["version"], []).append(_document(row))
        return cited

    def documents_below(self, collection: str, prefix: str) -> list[DocumentRow]:
        """Those whose URI starts with `prefix`."""
        rows = self._db.read(
            f"{_DOCUMENTS} WHERE d.collection = ? AND substr(d.uri, 1, ?) = ?",
            collection,
            len(prefix),
            prefix,
        )
        return [_document(row) for row in rows]

    def uses_path(self, path: Path) -> bool:
        """Whether a document or an unfinished item still needs the file at `path`."""
        return bool(
            self._db.read(
                "SELECT 1 FROM documents WHERE path = ? UNION ALL "
                "SELECT 1 FROM items WHERE path = ? AND outcome IN ('queued', 'running') LIMIT 1",
                str(path),
                str(path),
            )
        )

    def path_of(self, document: str) -> Path | None:
        """Where a document's bytes were last; None for a document nobody knows."""
        rows = self._db.read("SELECT path FROM documents WHERE id = ?", document)
        return Path(rows[0]["path"]) if rows else None

    def published_version(self, document: str) -> str | None:
        rows = self._db.read("SELECT version FROM documents WHERE id = ?", document)
        return rows[0]["version"] if rows else None

    def chunks_of(self, version: str) -> int | None:
        """How many chunks a published version has; None if it is not published."""
        rows = self._db.read("SELECT chunks FROM versions WHERE id = ?", version)
        return rows[0]["chunks"] if rows else None

    def versions(self, collection: str) -> dict[str, int]:
        """Published versions and how many chunks each has."""
        rows = self._db.read("SELECT id, chunks FROM versions WHERE collection = ?", collection)
        return {row["id"]: row["chunks"] for row in rows}

    def counts(self, collection: str) -> tuple[int, int, int]:
        """Documents, failed documents, chunks."""
        row = self._db.read(
            "SELECT count(*), coalesce(sum(version IS NULL), 0), "
            "(SELECT coalesce(sum(chunks), 0) FROM versions WHERE collection = ?1) "
            "FROM documents WHERE collection = ?1",
            collection,
        )[0]
        return row[0], row[1], row[2]

    def publish(self, document: Document, version: str, *, title: str, language: str, chunks: int) -> None:
        """From here on `document` is served from `version`: the one moment a change becomes visible."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (version, document.collection, title, language, chunks),
            )
            _put_document(db, document.collection, document.source, document.size_bytes)
            db.execute(
                "UPDATE documents SET version = ?, error_code = NULL, error = NULL WHERE id = ?",
                (version, document.id),
            )

    def record_failure(self, collection: str, source: Source, code: str, message: str) -> None:
        """Keep why the last attempt failed; a published version goes on serving."""
        with self._db.write() as db:
            _put_document(db, collection, source, size_bytes=0)
            db.execute(
                "UPDATE documents SET error_code = ?, error = ? WHERE id = ?",
                (code, message, document_id(collection, source)),
            )

    def clear_failure(self, document: str) -> None:
        with self._db.write() as db:
            db.execute("UPDATE documents SET error_code = NULL, error = NULL WHERE id = ?", (document,))

    def remove_document(self, document: str) -> None:
        with self._db.write() as db:
            db.execute("DELETE FROM documents WHERE id = ?", (document,))

    def forget_version(self, version: str, reason: str | None = None) -> None:
        """Drop a version; documents that still cite it (their points were lost) say `reason`."""
        with self._db.write() as db:
            db.execute(
                "UPDATE documents SET version = NULL, error_code = 'lost', error = ? WHERE version = ?",
                (reason, version),
            )
            db.execute("DELETE FROM versions WHERE id = ?", (version,))


_DOCUMENTS = (
    "SELECT d.*, v.title, v.language, coalesce(v.chunks, 0) AS chunks "
    "FROM documents d LEFT JOIN versions v ON v.id = d.version"
)
_MATCHING = (
    " WHERE d.collection = ? AND (instr(casefold(d.name), ?) OR instr(casefold(coalesce(v.title, '')), ?))"
    " AND (? IS NULL OR (d.version IS NOT NULL) = ?)"
)


def _put_document(db: sqlite3.Connection, collection: str, source: Source, size_bytes: int) -> None:
    """Insert the document's row, or bring what is known of its file up to date."""
    db.execute(
        "INSERT INTO documents (id, collection, uri, name, path, size_bytes, updated) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "path = excluded.path, size_bytes = excluded.size_bytes, updated = excluded.updated",
        (
            document_id(collection, source),
            collection,
            source.uri,
            source.name,
            str(source.path),
            size_bytes,
            now(),
        ),
    )


def _document(row: sqlite3.Row) -> DocumentRow:
    return DocumentRow(
        id=row["id"],
        collection=row["collection"],
        uri=row["uri"],
        name=row["name"],
        path=Path(row["path"]),
        size_bytes=row["size_bytes"],
        updated=datetime.fromisoformat(row["updated"]),
        version=row["version"],
        title=row["title"],
        language=row["language"],
        chunks=row["chunks"],
        error_code=row["error_code"],
        error=row["error"],
    )
