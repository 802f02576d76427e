"""Ledger and index are compared, and brought together again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.check import check, repair
from ingest.pipeline import Interrupted, Shelf, ingest
from ingest.records import Stage
from tests.ingest.conftest import Unwatched, read_lines
from tests.ingest.test_pipeline import found, put, write


def test_an_interrupted_document_is_hidden_and_its_points_go_at_the_next_start(
    tmp_path: Path, open_shelf: Callable[[], Shelf]
) -> None:
    shelf = open_shelf()
    long = write(tmp_path / "a.md", "\n".join(f"# {n}\n\n" + f"word{n} " * 200 for n in range(100)))

    class StopsAtTheSecondBatch(Unwatched):
        batches = 0

        def enter(self, stage: Stage) -> None:
            self.batches += stage == "encode"
            if self.batches == 2:
                raise Interrupted

    with pytest.raises(Interrupted):
        ingest(long, shelf, read_lines, StopsAtTheSecondBatch())

    assert shelf.index.count() > 0
    assert found("word3", shelf) == []
    restarted = open_shelf()
    assert repair(restarted).lost == []
    assert restarted.index.count() == 0


def test_points_that_are_missing_after_a_start_are_told_and_ingested_again(
    tmp_path: Path, open_shelf: Callable[[], Shelf]
) -> None:
    shelf = open_shelf()
    put(tmp_path / "a.md", "one two three", shelf)
    shelf.index.delete(next(iter(shelf.index.versions())))

    restarted = open_shelf()
    assert [row.name for row in repair(restarted).lost] == ["a.md"]

    row = restarted.ledger.documents("library")[0][0]
    assert row.version is None
    assert row.error == "its points are missing from the index: ingest it again"
    put(tmp_path / "a.md", "one two three", restarted)
    assert found("one", restarted) == ["one two three"]


def only_version(shelf: Shelf) -> str:
    return next(iter(shelf.ledger.versions("library")))


def test_a_sound_collection_is_found_sound(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "# A\n\none two three\n\n# B\n\nfour five six", shelf)
    put(tmp_path / "b.md", "seven eight nine", shelf)

    report = check(shelf)

    assert report.consistent
    assert report.versions == 2
    assert report.expected_points == report.points == shelf.index.count()


def test_a_check_reports_and_changes_nothing(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "one two three", shelf)
    shelf.index.delete(only_version(shelf))

    report = check(shelf)

    assert not report.consistent
    assert [(one.expected, one.found) for one in report.missing] == [(1, 0)]
    assert [row.name for row in report.lost] == ["a.md"]
    assert check(shelf) == report


def test_a_copy_of_the_lost_is_lost_too_and_a_second_check_is_clean(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "one two three", shelf)
    put(tmp_path / "b.md", "one two three", shelf)
    shelf.index.delete(only_version(shelf))

    assert [row.name for row in repair(shelf).lost] == ["a.md", "b.md"]

    assert check(shelf).consistent
    assert {row.error_code for row in shelf.ledger.documents("library")[0]} == {"lost"}


def test_points_that_searches_do_not_find_are_shown_again(tmp_path: Path, shelf: Shelf) -> None:
    put(tmp_path / "a.md", "one two three", shelf)
    version = only_version(shelf)
    shelf.index.publish(version, [])
    assert found("one", shelf) == []

    report = repair(shelf)

    assert (report.hidden, report.missing) == ((version,), ())
    assert found("one", shelf) == ["one two three"]


def test_a_version_that_nobody_cites_goes_with_its_points(tmp_path: Path, shelf: Shelf) -> None:
    document = write(tmp_path / "a.md", "one two three")
    ingest(document, shelf, read_lines, Unwatched())
    shelf.ledger.remove_document(document.id)  # and then the power went

    assert repair(shelf).uncited != ()

    assert (shelf.index.count(), shelf.ledger.versions("library")) == (0, {})


def test_a_document_that_is_being_written_is_left_alone(tmp_path: Path, shelf: Shelf) -> None:
    long = write(tmp_path / "a.md", "\n".join(f"# {n}\n\n" + f"word{n} " * 200 for n in range(100)))
    seen = []

    class Looks(Unwatched):
        def enter(self, stage: Stage) -> None:
            seen.append(repair(shelf))

    made = ingest(long, shelf, read_lines, Looks())

    assert made.outcome == "added"
    assert all(report.consistent for report in seen)
    assert max(report.points for report in seen) > 0
    assert shelf.index.count() == made.chunks
