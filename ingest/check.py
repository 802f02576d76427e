"""Ledger against index: what one has and the other lacks, reported and, the ledger being right, repaired."""

from dataclasses import dataclass

from ingest.ledger import DocumentRow
from ingest.pipeline import Shelf, settle

LOST = "its points are missing from the index: ingest it again"


@dataclass(frozen=True, slots=True)
class Missing:
    """A published version without all of its points."""

    version: str
    expected: int
    found: int
    documents: tuple[DocumentRow, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How index and ledger compare; versions that are being written just now are left out."""

    versions: int
    """That the ledger publishes."""
    expected_points: int
    """Of those versions."""
    points: int
    """That the index has."""
    missing: tuple[Missing, ...]
    hidden: tuple[str, ...]
    """Published versions whose points are all there, and some are not found by searches."""
    unknown: dict[str, int]
    """Points of each version that the ledger does not publish: left by a crash."""
    uncited: tuple[str, ...]
    """Published versions that no document is served from any more."""

    @property
    def consistent(self) -> bool:
        return not (self.missing or self.hidden or self.unknown or self.uncited)

    @property
    def lost(self) -> list[DocumentRow]:
        """The documents that have to be ingested again."""
        return [row for one in self.missing for row in one.documents]


def check(shelf: Shelf) -> Report:
    """Compare; nothing is changed. Raises Moved."""
    with shelf.change():
        return _compare(shelf)


def repair(shelf: Shelf) -> Report:
    """Make index and ledger agree; returns what was wrong before.

    Points of unknown versions go, hidden ones are shown. A version that lacks points is given up: its
    documents say so and are ingested again by the next job that holds them.
    """
    with shelf.change():
        report = _compare(shelf)
        for version in report.unknown:
            shelf.index.delete(version)
        for version in (*report.hidden, *report.uncited):
            settle(version, shelf)
        for one in report.missing:
            shelf.index.delete(one.version)
            shelf.ledger.forget_version(one.version, LOST)
    return report


def _compare(shelf: Shelf) -> Report:
    there = shelf.index.versions()
    visible = shelf.index.visible_versions()
    published = shelf.ledger.versions(shelf.name)
    writing = set(shelf.writing)  # one that begins now has nothing in `there`
    counted = {version: there.get(version, 0) for version in published}
    # told by the facets of all versions at once, made sure of one by one: what follows is a deletion
    short = [
        version
        for version, expected in published.items()
        if counted[version] != expected and shelf.index.count(version) != expected
    ]
    cited = shelf.ledger.documents_of(short)
    return Report(
        versions=len(published),
        expected_points=sum(published.values()),
        points=sum(there.values()),
        missing=tuple(
            Missing(version, published[version], counted[version], tuple(cited.get(version, ())))
            for version in short
        ),
        hidden=tuple(
            version
            for version, expected in published.items()
            if counted[version] == expected and visible.get(version, 0) != expected
        ),
        unknown={
            version: points
            for version, points in there.items()
            if version not in published and version not in writing
        },
        uncited=tuple(shelf.ledger.uncited_versions(shelf.name)),
    )
