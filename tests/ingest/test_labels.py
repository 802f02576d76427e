"""What is said of documents: kept with them, written beside their points, changed without encoding."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import labels
from ingest.database import Database
from ingest.index.contract import Between, Where
from ingest.pipeline import Report, Shelf, catch_up, ingest, relabel
from ingest.records import Document, Given, Said
from tests.ingest.conftest import Unwatched, read_lines
from tests.ingest.test_pipeline import write

THEN = datetime(2020, 5, 17, tzinfo=UTC)


def put(document: Document, shelf: Shelf) -> Report:
    return ingest(document, shelf, read_lines, Unwatched())


def found(shelf: Shelf, where: Where) -> list[str]:
    """Names of the documents that the index finds; each has `one` in it."""
    hits = shelf.index.search(shelf.encoder.encode_queries(["one"])[0], limit=10, where=where)
    cited = shelf.ledger.documents_of(hit.chunk.version for hit in hits)
    return sorted(row.name for rows in cited.values() for row in rows)


def labelled(**wanted: str) -> Where:
    return Where(labels=tuple((f"{key}={value}",) for key, value in wanted.items()))


def test_what_is_given_is_kept_until_something_else_is(tmp_path: Path, shelf: Shelf) -> None:
    document = write(tmp_path / "a.md", "one two")
    put(replace(document, given=Given({"dept": ("hr",)}, ("hr",))), shelf)

    put(write(tmp_path / "a.md", "one two three"), shelf)  # nothing is said of the new content

    said = shelf.ledger.document(document.id).said
    assert (said.labels, said.access) == ({"dept": ("hr",)}, ("hr",))
    assert found(shelf, labelled(dept="hr")) == ["a.md"]
    assert found(shelf, Where(groups=frozenset())) == []


def test_unchanged_content_with_other_labels_is_not_read_again(tmp_path: Path, shelf: Shelf) -> None:
    document = write(tmp_path / "a.md", "one two")
    put(document, shelf)

    assert put(replace(document, given=Given({"dept": ("hr",)})), shelf) == Report("unchanged", 1)

    assert found(shelf, labelled(dept="hr")) == ["a.md"]


def test_a_files_own_date_is_its_document_s(tmp_path: Path, shelf: Shelf) -> None:
    document = write(tmp_path / "a.md", "one")
    os.utime(tmp_path / "a.md", (THEN.timestamp(), THEN.timestamp()))
    put(write_again(document), shelf)

    year = Between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 12, 31, tzinfo=UTC))
    assert shelf.ledger.document(document.id).said.modified == THEN
    assert found(shelf, Where(modified=year)) == ["a.md"]

    os.utime(tmp_path / "a.md", (0, 0))  # touched, not changed
    assert put(write_again(document), shelf).outcome == "unchanged"
    assert found(shelf, Where(modified=year)) == []


def write_again(document: Document) -> Document:
    from ingest.sources import read_document

    return read_document(document.source, "library", max_bytes=1000)


def test_documents_of_the_same_text_are_told_apart(tmp_path: Path, shelf: Shelf) -> None:
    for name, given in {
        "a": Given({"dept": ("hr",), "year": ("2020",)}, ("hr",)),
        "b": Given({"dept": ("law",), "year": ("2021",)}, ("law",)),
    }.items():
        put(replace(write(tmp_path / f"{name}.md", "one"), given=given), shelf)
    both = labelled(dept="hr", year="2021")

    assert found(shelf, both) == ["a.md", "b.md"]  # the index knows what both say together
    (rows,) = shelf.ledger.documents_of(shelf.ledger.versions("library")).values()
    assert [row.name for row in rows if labels.fits(row.said, both)] == []
    assert [row.name for row in rows if labels.fits(row.said, labelled(dept="law"))] == ["b.md"]
    assert found(shelf, Where(groups=frozenset({"other"}))) == []
    assert [row.name for row in rows if row.said.seen_by(frozenset({"law"}))] == ["b.md"]


def test_a_text_that_one_public_document_has_is_public(tmp_path: Path, shelf: Shelf) -> None:
    put(replace(write(tmp_path / "a.md", "one"), given=Given(access=("hr",))), shelf)
    assert found(shelf, Where(groups=frozenset())) == []

    put(write(tmp_path / "b.md", "one"), shelf)

    assert found(shelf, Where(groups=frozenset())) == ["a.md", "b.md"]


def test_a_relabelling_that_was_cut_off_is_finished_at_the_next_start(
    tmp_path: Path, open_shelf: Callable[[], Shelf]
) -> None:
    shelf = open_shelf()
    document = write(tmp_path / "a.md", "one")
    put(document, shelf)
    shelf.ledger.relabel("library", [document.id], Given({"dept": ("hr",)}))  # and then the power went

    shelf = open_shelf()
    assert found(shelf, labelled(dept="hr")) == []

    assert catch_up(shelf) == 1
    assert found(shelf, labelled(dept="hr")) == ["a.md"]
    assert catch_up(shelf) == 0


def test_a_collection_of_an_older_format_is_labelled_without_encoding(
    tmp_path: Path, shelf: Shelf, database: Database
) -> None:
    document = write(tmp_path / "a.md", "one")
    put(document, shelf)
    shelf.index.publish(document.version(shelf.index.contract.recipe), [document.id])  # as it once was
    with database.write() as db:
        db.execute("DELETE FROM payloads")
        db.execute("DELETE FROM labels")

    assert found(shelf, Where(sources=(tmp_path.as_uri(),))) == []
    assert catch_up(shelf) == 1

    assert found(shelf, Where(sources=(tmp_path.as_uri(),))) == ["a.md"]
    assert found(shelf, Where(ingested=Between(since=THEN))) == ["a.md"]
    assert found(shelf, Where(groups=frozenset())) == ["a.md"]


def test_labels_are_counted_by_value_among_what_is_seen(tmp_path: Path, shelf: Shelf) -> None:
    for name, given in {
        "a": Given({"tag": ("x", "y")}),
        "b": Given({"tag": ("x",)}),
        "c": Given({"tag": ("z",), "secret": ("1",)}, ("hr",)),
    }.items():
        put(replace(write(tmp_path / f"{name}.md", f"one {name}"), given=given), shelf)

    assert shelf.ledger.labels("library", frozenset()) == {"tag": {"x": 2, "y": 1}}
    assert shelf.ledger.labels("library")["secret"] == {"1": 1}
    assert not shelf.ledger.has_label("library", "secret", frozenset())
    assert shelf.ledger.is_restricted("library")


def test_relabelling_documents_says_it_of_all_of_them(tmp_path: Path, shelf: Shelf) -> None:
    documents = [write(tmp_path / f"{name}.md", f"one {name}") for name in "abc"]
    for document in documents:
        put(document, shelf)

    relabel([document.id for document in documents[:2]], Given({"tag": ("x",)}), shelf)

    assert found(shelf, labelled(tag="x")) == ["a.md", "b.md"]


@pytest.mark.parametrize(
    ("uri", "places"),
    [
        ("upload:a.md", ["upload:a.md"]),
        ("https://e.org/a/b", ["https://e.org/a/b", "https://e.org/a", "https://e.org"]),
        ("s3://bucket/a.md", ["s3://bucket/a.md", "s3://bucket"]),
    ],
)
def test_a_document_is_in_every_place_above_it(uri: str, places: list[str]) -> None:
    assert labels.above(uri) == places
    assert labels.fits(Said("1", uri, THEN), Where(sources=(places[-1],)))
