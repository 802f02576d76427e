"""A document's whole way in, and out again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.errors import NoText
from ingest.pipeline import Report, Shelf, ingest, remove
from ingest.records import Document, Element, Source
from ingest.sources import read_document
from tests.ingest.conftest import Unwatched, read_lines


def write(path: Path, text: str) -> Document:
    path.write_text(text)
    return read_document(Source(path.as_uri(), path.name, path), "library", max_bytes=1_000_000)


def put(path: Path, text: str, shelf: Shelf) -> Report:
    return ingest(write(path, text), shelf, read_lines, Unwatched())


def found(question: str, shelf: Shelf) -> list[str]:
    hits = shelf.index.search(shelf.encoder.encode_queries([question])[0], limit=10)
    return [hit.chunk.text for hit in hits]


def test_a_document_is_found_by_its_words(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "bikes.md", "the battery wants a cool dry place", shelf)
    put(tmp_path / "bread.md", "flour water salt and time", shelf)

    assert found("where does the battery go", shelf)[0] == "the battery wants a cool dry place"


def test_ingesting_the_same_file_again_writes_nothing(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "one two three", shelf)

    assert put(tmp_path / "a.md", "one two three", shelf) == Report("unchanged", 1)
    assert shelf.index.count() == 1


def test_an_edited_file_leaves_nothing_stale(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "# A\n\none\n\n# B\n\ntwo", shelf)

    assert put(tmp_path / "a.md", "# A\n\nthree", shelf).outcome == "changed"

    assert found("one two three", shelf) == ["three"]
    assert shelf.index.versions() == shelf.ledger.versions("library")


def test_one_document_ingested_from_many_threads_ends_as_one_version(tmp_path: Path, shelf: Shelf) -> None:
    texts = [f"words of version {number % 3}" for number in range(12)]
    documents = []
    for number, text in enumerate(texts):  # one source, read at twelve moments
        kept = tmp_path / f"{number}.md"
        kept.write_text(text)
        source = Source((tmp_path / "a.md").as_uri(), "a.md", kept)
        documents.append(read_document(source, "library", max_bytes=1_000_000))

    with ThreadPoolExecutor(6) as threads:
        reports = list(threads.map(lambda one: ingest(one, shelf, read_lines, Unwatched()), documents))

    assert [report.outcome for report in reports].count("added") == 1
    (row,), _ = shelf.ledger.documents("library")
    assert found("words of version", shelf) in [[text] for text in set(texts)]
    assert shelf.index.count() == 1
    assert row.version is not None


def test_a_copy_shares_the_points_and_both_are_cited(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "one two three", shelf)

    assert put(tmp_path / "b.md", "one two three", shelf) == Report("alias", 1)

    version = next(iter(shelf.ledger.versions("library")))
    assert [row.name for row in shelf.ledger.documents_of([version])[version]] == ["a.md", "b.md"]
    assert shelf.index.count() == 1


def test_a_copy_survives_when_its_twin_goes(tmp_path: Path, shelf: Shelf) -> None:
    first = write(tmp_path / "a.md", "one two three")
    ingest(first, shelf, read_lines, Unwatched())
    put(tmp_path / "b.md", "one two three", shelf)

    remove(first.id, shelf)

    assert found("one", shelf) == ["one two three"]


def test_a_removed_document_leaves_no_points(tmp_path: Path, shelf: Shelf) -> None:
    document = write(tmp_path / "a.md", "one two three")
    ingest(document, shelf, read_lines, Unwatched())

    remove(document.id, shelf)

    assert shelf.index.count() == 0
    assert shelf.ledger.counts("library") == (0, 0, 0)


def test_a_file_that_became_unreadable_still_serves_its_last_good_version(
    tmp_path: Path, shelf: Shelf
) -> None:
    put(tmp_path / "a.md", "one two three", shelf)

    def fail(document: Document) -> list[Element]:
        raise NoText(f"{document.source.name}: empty")

    with pytest.raises(NoText):
        ingest(write(tmp_path / "a.md", ""), shelf, fail, Unwatched())

    assert found("one", shelf) == ["one two three"]
