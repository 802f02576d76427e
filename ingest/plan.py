"""What ingesting a place would do, file by file, without doing it; and what a sync may take out."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ingest.archives import Unpacked
from ingest.errors import IngestError, LeftOut, SourceGone, TooManyGone
from ingest.intake import Intake
from ingest.ledger import DocumentRow, Ledger
from ingest.places import INSIDE, Place
from ingest.records import Document, Source, document_id

State = Literal["new", "changed", "unchanged", "alias", "gone", "skipped", "failed"]

MOST_GONE = 0.2
"""Share of a place's documents that a sync removes without being forced to."""
HANDFUL = 5
"""As many may always go."""


@dataclass(frozen=True, slots=True)
class Entry:
    uri: str
    name: str
    state: State
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    entries: list[Entry]
    refusal: str | None
    """Why a sync would stop before removing what is gone; None if it would not."""

    @property
    def counts(self) -> dict[State, int]:
        return dict(Counter(entry.state for entry in self.entries))


def plan(place: Place, collection: str, recipe: str, intake: Intake, ledger: Ledger) -> Plan:
    """Compare what is at `place` with what the collection holds of it; writes nothing.

    Files are read to tell changed from unchanged; a store's objects are told by their tags and not
    fetched, so that an alias among them counts as new. Raises SourceGone if the place can't be listed.
    """
    with TemporaryDirectory(prefix="kalm-plan-") as folder:
        aside = intake.aside(Path(folder))
        listing = aside.listing(place, collection, recipe)
        entries = [Entry(source.uri, source.name, "unchanged") for source in listing.unchanged]
        versions: set[str] = set()
        for source in listing.sources:
            if place.kind == "store" and INSIDE not in source.uri:
                known = ledger.published_version(document_id(collection, source))
                entries.append(Entry(source.uri, source.name, "changed" if known else "new"))
                continue
            entries += _look(source, collection, recipe, aside, ledger, versions)
            for path in Path(folder).iterdir():
                path.unlink()
    present = {entry.uri for entry in entries}
    gone = missing(place, collection, ledger, present)
    refusal = None
    try:
        guard(place, collection, ledger, len(gone), is_empty=not present)
    except IngestError as error:
        refusal = str(error)
    entries += [Entry(row.uri, row.name, "gone") for row in gone]
    return Plan(entries, refusal)


def missing(place: Place, collection: str, ledger: Ledger, present: Collection[str]) -> list[DocumentRow]:
    """Documents that came from `place` and are no longer there.

    `present`: URIs that were listed. What was in an archive that is listed itself, because it could
    not be read, is not missing.
    """
    return [
        row
        for row in _covered(place, collection, ledger)
        if row.uri not in present and row.uri.partition(INSIDE)[0] not in present
    ]


def guard(place: Place, collection: str, ledger: Ledger, gone: int, *, is_empty: bool) -> None:
    """Raises SourceGone or TooManyGone where so much is gone that a disk or a share may be missing."""
    if not gone:
        return
    if is_empty:
        raise SourceGone(
            f"{place.root} is empty: its {gone} documents were kept, in case a disk is missing. "
            "If they are to go, delete them one by one, or sync with force"
        )
    documents = len(_covered(place, collection, ledger))
    if gone > HANDFUL and gone > MOST_GONE * documents:
        raise TooManyGone(
            f"{gone} of the {documents} documents of {place.root} are gone, more than {MOST_GONE:.0%}: "
            "none was removed, in case a disk is missing. If they are to go, sync with force"
        )


def _covered(place: Place, collection: str, ledger: Ledger) -> list[DocumentRow]:
    return [row for row in ledger.documents_below(collection, place.uri) if place.covers(row.uri)]


def _look(
    source: Source, collection: str, recipe: str, intake: Intake, ledger: Ledger, versions: set[str]
) -> Iterator[Entry]:
    """One file, or each file of an archive. `versions`: those that earlier files of this plan would make."""
    try:
        found = intake.read(source, collection)
    except IngestError as error:
        yield Entry(source.uri, source.name, "failed", str(error))
        return
    if isinstance(found, Document):
        yield Entry(source.uri, source.name, _state(found, recipe, ledger, versions))
        return
    yield from _look_inside(found, collection, recipe, intake, ledger, versions)


def _look_inside(
    found: Unpacked, collection: str, recipe: str, intake: Intake, ledger: Ledger, versions: set[str]
) -> Iterator[Entry]:
    for member in found.members:
        yield from _look(member, collection, recipe, intake, ledger, versions)
    for refused in found.refused:
        state: State = "skipped" if isinstance(refused.error, LeftOut) else "failed"
        yield Entry(refused.source.uri, refused.source.name, state, str(refused.error))
    if found.problem is not None:
        yield Entry(found.archive.uri, found.archive.name, "failed", str(found.problem))


def _state(document: Document, recipe: str, ledger: Ledger, versions: set[str]) -> State:
    version = document.version(recipe)
    before = ledger.published_version(document.id)
    if before is not None:
        return "unchanged" if before == version else "changed"
    if version in versions or ledger.chunks_of(version) is not None:
        return "alias"
    versions.add(version)
    return "new"
