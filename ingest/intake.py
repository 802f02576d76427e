"""Where a job's documents come from: lists a place, and brings each file's bytes here, archives in parts."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ingest.archives import Limits, Refused, Unpacked, archive_kind, unpack
from ingest.database import Database
from ingest.errors import LeftOut, NotAllowedHere, SourceGone, UnsupportedFile
from ingest.ledger import Ledger
from ingest.places import INSIDE, Place
from ingest.records import Document, Source, document_id
from ingest.seen import Seen
from ingest.sources import Originals, Readable, list_files, read_document
from ingest.stores import StoredObject, Stores
from ingest.web import Web

_UNPACKED = 10
"""Files of the largest size allowed that an archive may hold."""


@dataclass(frozen=True, slots=True)
class Listing:
    sources: list[Source]
    """To be looked at."""
    unchanged: list[Source]
    """As they were, says their store."""


class Intake:
    """The doors that are open. Safe from several threads."""

    def __init__(
        self,
        originals: Originals,
        database: Database,
        *,
        max_bytes: int,
        web: Web | None = None,
        stores: Stores | None = None,
    ) -> None:
        """`max_bytes`: per file. Without `web` no URL is fetched, without `stores` no store is read."""
        self._originals = originals
        self._database = database
        self._ledger = Ledger(database)
        self._seen = Seen(database)
        self._remembers = True
        self._max_bytes = max_bytes
        self._web = web
        self._stores = stores or Stores()

    def aside(self, folder: Path) -> "Intake":
        """The same doors, for looking only: what is fetched goes to `folder`, nothing is remembered."""
        aside = Intake(
            Originals(folder),
            self._database,
            max_bytes=self._max_bytes,
            web=self._web,
            stores=self._stores,
        )
        aside._remembers = False
        return aside

    def require_open(self, place: Place) -> None:
        """Raises NotAllowedHere for a URL or store this service doesn't fetch from."""
        if place.kind == "url" and self._web is None:
            raise NotAllowedHere(f"{place.root}: URLs are not fetched here; set KALM_ALLOW_URLS=true")
        if place.kind == "store":
            self._stores.system(place.scheme)

    def listing(self, place: Place, collection: str, recipe: str) -> Listing:
        """What is there now. Raises SourceGone unless the listing is complete."""
        self.require_open(place)
        if place.kind == "path":
            return Listing(list(list_files(Path(place.root), place.selection)), [])
        if place.kind == "url":
            parts = urlsplit(place.uri)
            name = PurePosixPath(unquote(parts.path)).name or parts.netloc
            return Listing([self._known(Source(place.uri, name, Path()), collection)], [])
        listing = Listing([], [])
        for stored in self._stores.objects(place):
            self._sort(stored, listing, collection, recipe)
        return listing

    def read(self, source: Source, collection: str) -> Document | Unpacked:
        """The document as it is now, its bytes here; or what an archive holds. Raises IngestError."""
        if INSIDE in source.uri:
            return self._read_member(source, collection)
        source = self._fetch(source, collection)
        document = read_document(source, collection, max_bytes=self._max_bytes)
        try:
            kind = archive_kind(source.path)
        except OSError as error:
            raise SourceGone(f"{source.name}: can't be read any more ({error.strerror})") from error
        if kind is None:
            return document
        members = self._members(source, collection, document.content_hash)
        if members is not None:
            return Unpacked(source, members, [], None)
        found = unpack(source, kind, self._keep, Limits(total_bytes=_UNPACKED * self._max_bytes))
        if self._remembers and found.problem is None and _all_taken(found):
            tag = _contents_tag(document.content_hash, len(found.members))
            self._seen.record(collection, source.uri + INSIDE, tag, document.content_hash)
        refused = [Refused(self._known(one.source, collection), one.error) for one in found.refused]
        return Unpacked(source, found.members, refused, found.problem)

    def _fetch(self, source: Source, collection: str) -> Source:
        """The source with its bytes on this machine."""
        scheme, separator, _ = source.uri.partition("://")
        if not separator or scheme == "file":
            return source
        if scheme in {"http", "https"}:
            self.require_open(Place(source.uri))
            assert self._web is not None
            with self._web.fetch(source.uri) as page:
                return Source(source.uri, page.name, self._keep(page.name, page), page.modified)
        with self._stores.fetch(source.uri, self._max_bytes) as (stored, content):
            path = self._keep(stored.name, content)
        if self._remembers and stored.tag is not None:
            self._seen.record(collection, source.uri, stored.tag, content_hash=path.name)
        return Source(source.uri, source.name, path, stored.modified)

    def _sort(self, stored: StoredObject, listing: Listing, collection: str, recipe: str) -> None:
        """Into what must be fetched and what is known to be as it was."""
        source = self._known(Source(stored.uri, stored.name, Path()), collection)
        content_hash = stored.tag and self._seen.content_of(collection, stored.uri, stored.tag)
        if content_hash:
            document = Document(collection, source, content_hash, stored.size_bytes or 0)
            if self._ledger.published_version(document.id) == document.version(recipe):
                listing.unchanged.append(source)
                return
            members = self._members(source, collection, content_hash)
            if members is not None:
                listing.sources.extend(members)
                return
        listing.sources.append(source)

    def _read_member(self, source: Source, collection: str) -> Document:
        if not source.path.is_file():
            raise SourceGone(f"{source.name}: ingest its archive again, it is not kept outside of it")
        if archive_kind(source.path) is not None:
            raise UnsupportedFile(f"{source.name} is an archive inside of an archive: unpack it first")
        return read_document(source, collection, max_bytes=self._max_bytes)

    def _members(self, archive: Source, collection: str, content_hash: str) -> list[Source] | None:
        """An archive's files as kept before, if it is still the same and all of them are there."""
        inside = archive.uri + INSIDE
        rows = self._ledger.documents_below(collection, inside)
        known = self._seen.content_of(collection, inside, _contents_tag(content_hash, len(rows)))
        if not rows or known is None or not all(row.path.is_file() for row in rows):
            return None
        return [Source(row.uri, row.name, row.path) for row in rows]

    def _known(self, source: Source, collection: str) -> Source:
        """With the place of the bytes as last fetched, so that a failure does not lose them."""
        path = self._ledger.path_of(document_id(collection, source))
        return source if path is None else Source(source.uri, source.name, path)

    def _keep(self, name: str, content: Readable) -> Path:
        return self._originals.keep(name, content, max_bytes=self._max_bytes).path


def _all_taken(found: Unpacked) -> bool:
    return all(isinstance(refused.error, LeftOut) for refused in found.refused)


def _contents_tag(content_hash: str, members: int) -> str:
    return f"{members} files of {content_hash}"
