"""What a remote file or an archive looked like when it was last taken in, to skip it while it stays so."""

from ingest.database import Database


class Seen:
    """A mark per source. Safe from several threads; forgotten with the collection."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def content_of(self, collection: str, uri: str, tag: str) -> str | None:
        """sha256 of what was there when `uri` last had this tag; None if that was never, or not the last."""
        rows = self._db.read(
            "SELECT content_hash FROM seen WHERE collection = ? AND uri = ? AND tag = ?", collection, uri, tag
        )
        return rows[0]["content_hash"] if rows else None

    def record(self, collection: str, uri: str, tag: str, content_hash: str) -> None:
        with self._db.write() as db:
            db.execute(
                "INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT (collection, uri) "
                "DO UPDATE SET tag = excluded.tag, content_hash = excluded.content_hash",
                (collection, uri, tag, content_hash),
            )
