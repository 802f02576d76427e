"""What is said of documents beside their text (access, dates, places, labels): kept, joined, compared."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from ingest.index.contract import Beside, Between, Where
from ingest.places import INSIDE
from ingest.records import NOTHING_GIVEN, Given, Labels, Said

FORMAT = 2
"""Of what stands beside the points; a collection of an older one is labelled anew as it is opened."""


def beside(said: Collection[Said]) -> Beside:
    """What documents that share a version say of it together.

    A search for what two of them say apart finds it as well: `fits` tells them apart.
    """
    public = any(not one.access for one in said)
    return Beside(
        access=() if public else _all(group for one in said for group in one.access),
        labels=_all(label for one in said for label in pairs(one.labels)),
        within=_all(uri for one in said for uri in above(one.uri)),
        modified=tuple(sorted({int(one.modified.timestamp()) for one in said if one.modified})),
        ingested=tuple(sorted({int(one.ingested.timestamp()) for one in said})),
    )


def fits(said: Said, where: Where) -> bool:
    """Whether a document is what a search asks for, as far as documents and not passages decide it."""
    return (
        said.seen_by(where.groups)
        and (not where.documents or said.id in where.documents)
        and (not where.sources or not set(where.sources).isdisjoint(above(said.uri)))
        and all(not set(pairs(said.labels)).isdisjoint(wanted) for wanted in where.labels)
        and _between(said.modified, where.modified)
        and _between(said.ingested, where.ingested)
    )


def asks_of_documents(where: Where) -> bool:
    """Whether documents of the same text may differ in fitting."""
    return bool(
        where.groups is not None
        or where.documents
        or where.sources
        or where.labels
        or where.modified
        or where.ingested
    )


def pairs(labels: Labels) -> list[str]:
    """As they stand beside the points: no key has a `=`.

    >>> pairs({"tag": ("a", "b")})
    ['tag=a', 'tag=b']
    """
    return [f"{key}={value}" for key, values in labels.items() for value in values]


def above(uri: str) -> list[str]:
    """A document's URI, and every folder, archive or site that it is in.

    >>> above("file:///srv/papers/a.zip!/b.md")
    ['file:///srv/papers/a.zip!/b.md', 'file:///srv/papers/a.zip', 'file:///srv/papers', 'file:///srv']
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return [uri]
    found = [uri]
    while True:
        cut = max(rest.rfind(INSIDE), rest.rfind("/"))
        rest = rest[: max(cut, 0)]
        if not rest:
            return found
        found.append(f"{scheme}://{rest}")


def put_given(db: sqlite3.Connection, owner: Literal["job", "source"], id_: str, given: Given) -> None:
    """Keep what a job or a named source says of its documents."""
    db.execute(f"DELETE FROM {owner}_given WHERE {owner} = ?", (id_,))  # noqa: S608 one of two words
    if given != NOTHING_GIVEN:
        row = (
            id_,
            None if given.labels is None else json.dumps(given.labels),
            None if given.access is None else json.dumps(given.access),
            given.modified and given.modified.isoformat(),
        )
        db.execute(f"INSERT INTO {owner}_given VALUES (?, ?, ?, ?)", row)  # noqa: S608


def given_of(rows: Sequence[sqlite3.Row]) -> Given:
    """From the one row of a job or a source, or from none."""
    if not rows:
        return NOTHING_GIVEN
    (row,) = rows
    return Given(
        labels=None if row["labels"] is None else labels_from(row["labels"]),
        access=None if row["access"] is None else tuple(json.loads(row["access"])),
        modified=row["modified"] and datetime.fromisoformat(row["modified"]),
    )


def labels_from(stored: str) -> Labels:
    kept: Mapping[str, Any] = json.loads(stored)
    return {key: tuple(values) for key, values in kept.items()}


def _all(values: Any) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _between(when: datetime | None, wanted: Between | None) -> bool:
    if wanted is None:
        return True
    if when is None:
        return False
    return (wanted.since is None or when >= wanted.since) and (wanted.until is None or when <= wanted.until)
