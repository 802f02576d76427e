"""A second index with another encoder's vectors: filled while the first serves, switched to, and back."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedder.fake import FakeEncoder
from ingest import shadow as shadow_module
from ingest.check import check
from ingest.errors import IndexDamaged, NotPossible
from ingest.index import Location, open_index
from ingest.pipeline import Moved, Shelf, ingest, on_shelf, remove
from ingest.records import Document
from ingest.shadow import Agreement, Shadow, agree, contract_like, fill, switching
from tests.ingest.conftest import Unwatched, read_lines
from tests.ingest.test_pipeline import put, write


class OtherEncoder(FakeEncoder):
    """The same words, other vectors."""

    fingerprint = "other"


@pytest.fixture
def shadow(tmp_path: Path, shelf: Shelf) -> Iterator[Shadow]:
    encoder = OtherEncoder()
    contract = contract_like(shelf.index.contract, encoder)
    index = open_index("library~new", contract, Location(tmp_path / "index", None, None))
    yield Shadow(index, encoder)
    index.close()


def as_served(shadow: Shadow, shelf: Shelf) -> Shelf:
    return Shelf("library", shadow.index, shadow.encoder, shelf.ledger)


def test_a_filled_index_has_the_same_passages_shown_to_searches(
    tmp_path: Path, shelf: Shelf, shadow: Shadow
) -> None:
    put(tmp_path / "a.md", "# A\n\none two three four", shelf)
    put(tmp_path / "b.md", "five six", shelf)
    told: list[tuple[int, int]] = []

    fill(shadow, shelf, lambda done, total: told.append((done, total)))

    assert told[-1] == (2, 2)
    assert shadow.index.contract.fingerprint == "other"
    assert shadow.index.contract.dims == shelf.index.contract.dims
    assert shadow.index.visible_versions() == shelf.index.visible_versions()
    assert check(as_served(shadow, shelf)).consistent
    version = next(iter(shelf.index.versions()))
    assert shadow.index.chunks(version) == shelf.index.chunks(version)


def test_filling_again_encodes_only_what_is_new_and_drops_what_is_gone(
    tmp_path: Path, shelf: Shelf, shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = write(tmp_path / "gone.md", "soon gone")
    ingest(gone, shelf, read_lines, Unwatched())
    put(tmp_path / "stays.md", "one two", shelf)
    fill(shadow, shelf)
    remove(gone.id, shelf)
    put(tmp_path / "new.md", "three four", shelf)
    copied: list[str] = []
    copy = shadow_module._copy
    monkeypatch.setattr(
        shadow_module, "_copy", lambda version, *more: copied.append(version) or copy(version, *more)
    )

    fill(shadow, shelf)

    assert len(copied) == 1
    assert shadow.index.versions() == shelf.ledger.versions("library")


def test_a_filling_that_was_stopped_goes_on(tmp_path: Path, shelf: Shelf, shadow: Shadow) -> None:
    for name in "abc":
        put(tmp_path / f"{name}.md", f"text of {name}", shelf)

    class Enough(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        fill(shadow, shelf, stop)
    assert shadow.index.count() == 2
    fill(shadow, shelf)

    assert check(as_served(shadow, shelf)).consistent


def test_after_the_switch_changes_go_to_the_new_index(tmp_path: Path, shelf: Shelf, shadow: Shadow) -> None:
    first = write(tmp_path / "a.md", "one two three")
    ingest(first, shelf, read_lines, Unwatched())
    served = [shelf]

    with switching(shadow, shelf):
        served[0] = as_served(shadow, shelf)

    for act in (lambda: put(tmp_path / "b.md", "late", shelf), lambda: remove(first.id, shelf)):
        with pytest.raises(Moved):
            act()
    on_shelf(lambda: served[0], lambda one: put(tmp_path / "b.md", "four five", one))
    on_shelf(lambda: served[0], lambda one: remove(first.id, one))
    assert check(served[0]).consistent
    assert shadow.index.count() == 1


def test_the_way_back_brings_the_old_index_up_to_date(tmp_path: Path, shelf: Shelf, shadow: Shadow) -> None:
    first = write(tmp_path / "a.md", "one two three")
    ingest(first, shelf, read_lines, Unwatched())
    with switching(shadow, shelf):
        new = as_served(shadow, shelf)
    put(tmp_path / "b.md", "four five", new)
    remove(first.id, new)

    with switching(Shadow(shelf.index, shelf.encoder), new):
        back = Shelf("library", shelf.index, shelf.encoder, shelf.ledger)

    assert check(back).consistent
    hits = back.index.search(back.encoder.encode_queries(["four"])[0], limit=5)
    assert [hit.chunk.text for hit in hits] == ["four five"]


def test_a_switch_waits_for_a_document_that_is_being_ingested_and_takes_it_along(
    tmp_path: Path, shelf: Shelf, shadow: Shadow
) -> None:
    parsing, go_on = threading.Event(), threading.Event()

    def slow(document: Document) -> list:  # type: ignore[type-arg]
        parsing.set()
        go_on.wait(20)
        return read_lines(document)

    document = write(tmp_path / "a.md", "one two three")
    ingestion = threading.Thread(target=ingest, args=(document, shelf, slow, Unwatched()))
    ingestion.start()
    parsing.wait(20)
    threading.Timer(0.2, go_on.set).start()

    with switching(shadow, shelf):
        new = as_served(shadow, shelf)

    ingestion.join()
    assert check(new).consistent
    assert shadow.index.count() == 1


def test_a_document_that_does_not_end_stops_the_switch_and_nothing_else(
    tmp_path: Path, shelf: Shelf, shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "WAIT_S", 0.1)
    shelf.writing.add("a version")

    told = r"'library' is being ingested into: pause the job"
    with pytest.raises(NotPossible, match=told), switching(shadow, shelf):
        raise AssertionError("it was not to be switched")

    shelf.writing.clear()
    assert put(tmp_path / "a.md", "one two", shelf).outcome == "added"


def test_an_index_that_lost_points_is_not_switched_to(
    tmp_path: Path, shelf: Shelf, shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.md", "one two", shelf)
    monkeypatch.setattr(shadow_module, "fill", lambda *_: None)

    with pytest.raises(IndexDamaged, match="build it again"), switching(shadow, shelf):
        raise AssertionError("it was not to be switched")

    assert not shelf.retired.is_set()


def test_an_encoder_that_reads_too_little_for_the_collections_windows_is_refused(shelf: Shelf) -> None:
    from dataclasses import replace

    narrow = OtherEncoder()
    narrow.card = replace(narrow.card, max_tokens=32, window=32)

    with pytest.raises(NotPossible, match="at most as many as its chunk and as fake reads"):
        contract_like(shelf.index.contract, narrow)


def test_sentences_tell_whether_both_indexes_find(
    tmp_path: Path, shelf: Shelf, shadow: Shadow, open_shelf: Callable[[], Shelf]
) -> None:
    put(tmp_path / "a.md", "one two three", shelf)
    version = next(iter(shelf.index.versions()))

    assert agree(shadow, shelf, [("one two", version)]) == Agreement(1, 1, 0)
    fill(shadow, shelf)
    assert agree(shadow, shelf, [("one two", version)]) == Agreement(1, 1, 1)
