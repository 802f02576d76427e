"""What the collections hold: documents and the versions they are served from. The ledger is the truth.

A version is one content as parsed by one recipe; documents point at it, so two sources with the same
content share one set of points. The index is made to agree with what stands here, never the reverse.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ingest import labels, likeness
from ingest.database import Database, now
from ingest.errors import UnknownCollection, UnknownDocument
from ingest.records import NOTHING_GIVEN, Chunk, Document, Given, Groups, Said, Source, document_id

DocumentSort = Literal["name", "updated", "size", "chunks"]
DocumentFilter = Literal["ready", "failed", "stale"]
"""Stale: served from a version that another recipe made."""


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
    recipe: str | None
    """That of the version: parser and chunker, as in `Contract.recipe`."""
    error_code: str | None
    error: str | None
    """Why the last attempt failed; the published version, if there is one, still serves."""
    said: Said


@dataclass(frozen=True, slots=True)
class Described:
    """What is kept of a version's text."""

    title: str
    language: str
    """The one most of its chunks are in; "unknown" only if none is known."""
    chunks: int
    likeness: int | None
    """`likeness.fingerprint`."""
    recipe: str
    """Of the parser and chunker that made it."""

    @classmethod
    def of(cls, chunks: Sequence[Chunk], bits: int | None, recipe: str) -> "Described":
        known = Counter(chunk.language for chunk in chunks if chunk.language != "unknown")
        language = known.most_common(1)[0][0] if known else "unknown"
        return cls(chunks[0].title, language, len(chunks), bits, recipe)


class Ledger:
    """Collections, documents and versions. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_collection(self, name: str) -> None:
        """Make a collection; one that is there stays as it is."""
        with self._db.write() as db:
            made = db.execute("INSERT OR IGNORE INTO collections VALUES (?, ?)", (name, now())).rowcount
            if made:
                db.execute("INSERT INTO payloads VALUES (?, ?)", (name, labels.FORMAT))

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
        state: DocumentFilter | None = None,
        language: str | None = None,
        recipe: str = "",
        groups: Groups = None,
        sort: DocumentSort = "name",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[list[DocumentRow], int]:
        """Those whose name or title contains `text` and that `groups` see, sorted; and how many there are.

        `recipe` is the one in use: the state "stale" needs it.
        """
        where = (
            " WHERE d.collection = ? AND (instr(casefold(d.name), ?) "
            "OR instr(casefold(coalesce(v.title, '')), ?))"
        )
        values: list[object] = [collection, text.casefold(), text.casefold()]
        if state is not None:
            where += _STATES[state]
            values += [recipe] if state == "stale" else []
        if language is not None:
            where += " AND v.language = ?"
            values.append(language)
        where, values = _and_seen(where, values, groups)
        order = f" ORDER BY {_SORTS[sort]}{' DESC' if descending else ''}, d.name, d.uri LIMIT ? OFFSET ?"
        rows = self._db.read(_DOCUMENTS + where + order, *values, limit, offset)
        total = self._db.read(f"SELECT count(*) FROM ({_DOCUMENTS + where})", *values)  # noqa: S608 constants
        return [_document(row) for row in rows], total[0][0]

    def document(self, document: str, groups: Groups = None) -> DocumentRow:
        """Raises UnknownDocument, also for one that `groups` don't see."""
        rows = self._db.read(f"{_DOCUMENTS} WHERE d.id = ?", document)
        if not rows or not _document(rows[0]).said.seen_by(groups):
            raise UnknownDocument(f"no document {document!r}; it may have been deleted")
        return _document(rows[0])

    def documents_by_id(
        self, collection: str, documents: Iterable[str], groups: Groups = None
    ) -> list[DocumentRow]:
        """Those of `documents` (ids) that are in the collection and that `groups` see, by name."""
        wanted = json.dumps(list(documents))
        rows = [_document(row) for row in self._db.read(_DOCUMENTS + _BY_ID, collection, wanted)]
        return [row for row in rows if row.said.seen_by(groups)]

    def documents_of(self, versions: Iterable[str], groups: Groups = None) -> dict[str, list[DocumentRow]]:
        """The documents that cite each of these versions and that `groups` see, by name; a version without
        any is left out."""
        wanted = json.dumps(sorted(set(versions)))  # one value: the number of `?` is limited
        cited: dict[str, list[DocumentRow]] = {}
        rows = self._db.read(_DOCUMENTS + _OF_VERSIONS, wanted)
        for row in rows:
            document = _document(row)
            if document.said.seen_by(groups):
                cited.setdefault(row["version"], []).append(document)
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

    def uncited_versions(self, collection: str) -> list[str]:
        """Published versions that no document points to."""
        rows = self._db.read(
            "SELECT id FROM versions WHERE collection = ? "
            "AND NOT EXISTS (SELECT 1 FROM documents WHERE version = versions.id)",
            collection,
        )
        return [row["id"] for row in rows]

    def counts(self, collection: str) -> tuple[int, int, int]:
        """Documents, failed documents, chunks."""
        row = self._db.read(
            "SELECT count(*), coalesce(sum(version IS NULL), 0), "
            "(SELECT coalesce(sum(chunks), 0) FROM versions WHERE collection = ?1) "
            "FROM documents WHERE collection = ?1",
            collection,
        )[0]
        return row[0], row[1], row[2]

    def alike(self, collection: str, bits: int | None, document: str) -> list[str]:
        """Names of the documents, other than this one (id), whose text is nearly that of the fingerprint."""
        if bits is None:
            return []
        rows = self._db.read(
            "SELECT DISTINCT d.name, l.bits FROM likenesses l JOIN documents d ON d.version = l.version "
            "WHERE l.collection = ? AND d.id != ? AND l.band IN (SELECT value FROM json_each(?)) "
            "ORDER BY d.name",
            collection,
            document,
            json.dumps(likeness.bands(bits)),
        )
        return [row["name"] for row in rows if likeness.alike(bits, int(row["bits"], 16))]

    def stale(self, collection: str, recipe: str) -> int:
        """How many documents are served from a version that another recipe made."""
        return self.documents(collection, state="stale", recipe=recipe, limit=0)[1]

    def languages(self, collection: str, groups: Groups = None) -> dict[str, int]:
        """Documents that `groups` see, per language that most of their chunks are in."""
        where, values = _and_seen(" WHERE d.collection = ? AND d.version IS NOT NULL", [collection], groups)
        rows = self._db.read(
            f"SELECT language, count(*) AS number FROM ({_DOCUMENTS + where}) "  # noqa: S608 constants
            "GROUP BY language ORDER BY number DESC, language",
            *values,
        )
        return {row["language"]: row["number"] for row in rows}

    def publish(self, document: Document, version: str, described: Described | None) -> None:
        """From here on `document` is served from `version`: the one moment a change becomes visible.

        `described` is None for a version that is there already.
        """
        with self._db.write(durable=False) as db:
            if described is not None:
                _put_version(db, document.collection, version, described)
            _put_document(db, document.collection, document.source, document.size_bytes)
            _put_said(db, document.collection, self.expected(document))
            db.execute(
                "UPDATE documents SET version = ?, error_code = NULL, error = NULL WHERE id = ?",
                (version, document.id),
            )

    def expected(self, document: Document) -> Said:
        """What is said of a document once it is published, now."""
        said = Said(document.id, document.source.uri, datetime.now(UTC), document.modified)
        before = self._db.read(f"{_DOCUMENTS} WHERE d.id = ?", document.id)
        if before:
            old = _document(before[0]).said
            said = replace(said, labels=old.labels, access=old.access)
        return _with(said, document.given)

    def relabel(self, collection: str, documents: Iterable[str], given: Given) -> list[str]:
        """Say something else of documents (ids); the versions whose points are to say so too.

        Those are remembered until `labelled` is told of them.
        """
        versions = set()
        with self._db.write() as db:
            for row in self.documents_by_id(collection, documents):
                said = _with(row.said, given)
                if said == row.said:
                    continue
                _put_said(db, collection, said)
                if row.version is not None:
                    db.execute("INSERT OR IGNORE INTO unlabelled VALUES (?)", (row.version,))
                    versions.add(row.version)
        return sorted(versions)

    def unlabelled(self, collection: str) -> list[str]:
        """Versions whose points may not say what is said of their documents: all, in an older format."""
        rows = self._db.read("SELECT format FROM payloads WHERE collection = ?", collection)
        if not rows or rows[0]["format"] != labels.FORMAT:
            with self._db.write() as db:
                db.execute(
                    "INSERT OR IGNORE INTO unlabelled SELECT id FROM versions WHERE collection = ?",
                    (collection,),
                )
                db.execute(
                    "INSERT OR IGNORE INTO labels SELECT id, '{}', '[]', NULL, updated FROM documents "
                    "WHERE collection = ?",
                    (collection,),
                )
                db.execute("INSERT OR REPLACE INTO payloads VALUES (?, ?)", (collection, labels.FORMAT))
        rows = self._db.read(
            "SELECT u.version FROM unlabelled u JOIN versions v ON v.id = u.version WHERE v.collection = ?",
            collection,
        )
        return [row["version"] for row in rows]

    def labelled(self, versions: Iterable[str]) -> None:
        """Their points say what their documents do."""
        with self._db.write(durable=False) as db:
            db.executemany("DELETE FROM unlabelled WHERE version = ?", [(one,) for one in versions])

    def is_restricted(self, collection: str | None = None) -> bool:
        """Whether a document of the collection, or of any, ever was for some groups only."""
        return bool(
            self._db.read("SELECT 1 FROM restricted WHERE ?1 IS NULL OR collection = ?1 LIMIT 1", collection)
        )

    def has_label(self, collection: str, key: str, groups: Groups = None) -> bool:
        """Whether a document that `groups` see has a label of that name."""
        where, values = _and_seen(" WHERE d.collection = ? AND d.version IS NOT NULL", [collection], groups)
        return bool(
            self._db.read(
                f"SELECT 1 FROM ({_DOCUMENTS + where}) AS d, json_each(d.labels) AS k "  # noqa: S608
                "WHERE k.key = ? LIMIT 1",
                *values,
                key,
            )
        )

    def labels(self, collection: str, groups: Groups = None) -> dict[str, dict[str, int]]:
        """Documents that `groups` see, per label and value, the most frequent value first."""
        where, values = _and_seen(" WHERE d.collection = ? AND d.version IS NOT NULL", [collection], groups)
        rows = self._db.read(
            f"SELECT k.key, v.value, count(*) AS number FROM ({_DOCUMENTS + where}) AS d, "  # noqa: S608
            "json_each(d.labels) AS k, json_each(k.value) AS v "
            "GROUP BY k.key, v.value ORDER BY k.key, number DESC, v.value",
            *values,
        )
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["key"], {})[row["value"]] = row["number"]
        return found

    def record_failure(
        self, collection: str, source: Source, code: str, message: str, given: Given = NOTHING_GIVEN
    ) -> None:
        """Keep why the last attempt failed; a published version goes on serving."""
        with self._db.write() as db:
            _put_document(db, collection, source, size_bytes=0)
            (row,) = self.documents_by_id(collection, [document_id(collection, source)])
            _put_said(db, collection, _with(row.said, given))
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
    "SELECT d.*, v.title, v.language, v.recipe, coalesce(v.chunks, 0) AS chunks, "
    "coalesce(l.labels, '{}') AS labels, coalesce(l.access, '[]') AS access, l.modified, l.ingested "
    "FROM documents d LEFT JOIN versions v ON v.id = d.version LEFT JOIN labels l ON l.document = d.id"
)
_SEEN = (
    " AND (coalesce(l.access, '[]') = '[]' OR EXISTS (SELECT 1 FROM json_each(l.access) "
    "WHERE value IN (SELECT value FROM json_each(?))))"
)
_BY_ID = (
    " WHERE d.collection = ? AND d.id IN (SELECT value FROM json_each(?)) ORDER BY casefold(d.name), d.uri"
)
_OF_VERSIONS = " WHERE d.version IN (SELECT value FROM json_each(?)) ORDER BY d.name, d.uri"
_STATES: dict[DocumentFilter, str] = {
    "ready": " AND d.version IS NOT NULL",
    "failed": " AND d.version IS NULL",
    "stale": " AND v.recipe <> ?",
}
_SORTS: dict[DocumentSort, str] = {
    "name": "casefold(d.name)",
    "updated": "d.updated",
    "size": "d.size_bytes",
    "chunks": "coalesce(v.chunks, 0)",
}


def _put_version(db: sqlite3.Connection, collection: str, version: str, described: Described) -> None:
    db.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (version, collection, described.title, described.language, described.chunks, described.recipe),
    )
    if described.likeness is not None:
        bits = f"{described.likeness:016x}"
        db.executemany(
            "INSERT OR IGNORE INTO likenesses VALUES (?, ?, ?, ?)",
            [(version, collection, band, bits) for band in likeness.bands(described.likeness)],
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


def _and_seen(where: str, values: list[object], groups: Groups) -> tuple[str, list[object]]:
    """A condition on documents, and that `groups` see them."""
    return (where, values) if groups is None else (where + _SEEN, [*values, json.dumps(sorted(groups))])


def _with(said: Said, given: Given) -> Said:
    """What is given, in place of what was said before."""
    return replace(
        said,
        labels=said.labels if given.labels is None else given.labels,
        access=said.access if given.access is None else given.access,
        modified=given.modified or said.modified,
    )


def _put_said(db: sqlite3.Connection, collection: str, said: Said) -> None:
    access = json.dumps(sorted(said.access))
    db.execute(
        "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?)",
        (
            said.id,
            json.dumps(said.labels),
            access,
            said.modified and said.modified.isoformat(),
            said.ingested.isoformat(),
        ),
    )
    if said.access:
        db.execute("INSERT OR IGNORE INTO restricted VALUES (?)", (collection,))


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
        recipe=row["recipe"],
        error_code=row["error_code"],
        error=row["error"],
        said=Said(
            row["id"],
            row["uri"],
            datetime.fromisoformat(row["ingested"] or row["updated"]),
            row["modified"] and datetime.fromisoformat(row["modified"]),
            labels.labels_from(row["labels"]),
            tuple(json.loads(row["access"])),
        ),
    )
