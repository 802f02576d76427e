"""Collections: what they promise, and whether ledger and index agree."""

import sqlite3
import time
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from app.keys import hash_key
from app.schemas import ChunkingChoice, Funnel, SearchRequest, Tuning
from ingest.pipeline import RECIPE
from tests.app.conftest import Serve, wait


def test_a_collection_says_what_it_promises(library: Client) -> None:
    (collection,) = library.collections()

    assert (collection.encoder, collection.dims, collection.recipe) == ("fake", [256, 64], RECIPE)
    assert 0 < collection.chunking.window_tokens <= collection.chunking.chunk_tokens
    assert collection.fingerprint


def test_a_sound_collection_is_consistent(library: Client) -> None:
    found = library.check_collection("library")

    assert (found.consistent, found.repaired, found.versions) == (True, False, 3)
    assert found.points == found.expected_points == library.collections()[0].chunks


def test_damage_is_reported_then_repaired_and_the_lost_are_ingested_again(
    library: Client, tmp_path: Path
) -> None:
    ledger = sqlite3.connect(tmp_path / "data" / "ledger.sqlite")
    with ledger:  # one chunk more than there is, and one version less
        ledger.execute("UPDATE versions SET chunks = chunks + 1 WHERE title = 'Bread'")
        ledger.execute("DELETE FROM documents WHERE name = 'akku.md'")
        ledger.execute("DELETE FROM versions WHERE title = 'Akku'")
    ledger.close()

    found = library.check_collection("library")
    assert not found.consistent
    assert [(one.expected, one.found, one.names) for one in found.missing] == [(2, 1, ["bread.md"])]
    assert [one.points for one in found.unknown] == [1]
    assert library.check_collection("library") == found

    repaired = library.check_collection("library", repair=True)
    assert repaired == found.model_copy(update={"repaired": True})
    assert library.check_collection("library").consistent
    (bread,) = library.documents("library", state="failed").documents
    assert bread.error == "its points are missing from the index: ingest it again"

    job = library.rerun("library", repaired.missing[0].documents)
    assert wait(library, job.id) == {"added": 1}
    assert library.check_collection("library").consistent


def test_a_check_is_for_admins_and_previews_are_not_for_readers(serve: Serve, connect: object) -> None:
    url = serve(api_keys=f"admin:{hash_key('a')},editor:{hash_key('e')},reader:{hash_key('r')}")
    admin, editor, reader = (connect(url, key) for key in "aer")  # type: ignore[operator]
    admin.create_collection("library")

    assert admin.check_collection("library").consistent
    with pytest.raises(ServiceError, match="this needs the role 'admin'"):
        editor.check_collection("library", repair=True)
    for call in (
        lambda: reader.preflight("library", [("a.md", b"one")]),
        lambda: reader.preview("library", "a.md", b"one"),
        lambda: reader.rerun("library", ["x"]),
        lambda: reader.delete_documents("library", ["x"]),
    ):
        with pytest.raises(ServiceError, match="this needs the role 'editor'"):
            call()


def test_a_collection_is_made_as_asked_for(client: Client) -> None:
    chosen = ChunkingChoice(mode="late", chunk_tokens=200, window_tokens=50)

    made = client.create_collection("long", chosen, dims=[64])

    assert made.chunking.model_dump() == {"mode": "late", "chunk_tokens": 200, "window_tokens": 50}
    assert made.dims == [256, 64]
    assert client.create_collection("long") == made


@pytest.mark.parametrize(
    ("chunking", "dims", "problem"),
    [
        (ChunkingChoice(window_tokens=4), None, "a window has at least 16 tokens"),
        (ChunkingChoice(chunk_tokens=32, window_tokens=64), None, "at most as many as its chunk"),
        (ChunkingChoice(), [100], "fake has 256, .* dims, not 100"),
    ],
)
def test_a_collection_its_encoder_can_not_serve_is_refused(
    client: Client, chunking: ChunkingChoice, dims: list[int] | None, problem: str
) -> None:
    with pytest.raises(ServiceError, match=problem) as refused:
        client.create_collection("long", chunking, dims)

    assert refused.value.status == 400
    assert "long" not in [one.name for one in client.collections()]


def test_dims_are_added_and_dropped_without_encoding(library: Client) -> None:
    assert library.set_dims("library", [128]).dims == [256, 128]
    found = library.search(SearchRequest(query="battery", dim=128, ranking="dense")).hits

    assert found
    assert library.set_dims("library", []).dims == [256]
    with pytest.raises(ServiceError, match="not 128"):
        library.search(SearchRequest(query="battery", dim=128, ranking="dense"))
    with pytest.raises(ServiceError, match="not 100"):
        library.set_dims("library", [100])


def test_the_dial_is_measured_and_kept(library: Client) -> None:
    assert library.tuning("library") is None

    tuning = library.tune("library")

    assert tuning.settings[0].agreement == 1
    assert library.tuning("library").settings == tuning.settings


def settled(client: Client) -> Tuning:
    """Once nothing is being applied."""
    until = time.monotonic() + 60
    while (found := client.tuning("library")) is None or found.applying is not None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_a_measured_funnel_is_applied_in_the_background_and_undone(library: Client) -> None:
    with pytest.raises(ServiceError, match="measure it first"):
        library.apply_funnel("library", Funnel(dim=64, candidates=25, quantisation="binary"))
    library.tune("library")
    before = settled(library)
    wanted = next(one for one in before.settings if one.quantisation == "binary" and one.dim == 64)
    assert wanted.candidates is not None
    funnel = Funnel(dim=64, candidates=wanted.candidates, quantisation="binary")

    library.apply_funnel("library", funnel)
    applied = settled(library)
    assert (applied.applied, applied.problem) == (funnel, None)
    assert library.search(SearchRequest(query="battery", ranking="dense")).hits

    library.undo_funnel("library")
    undone = settled(library)
    assert undone.previous == before.previous
    assert undone.applied != funnel
    with pytest.raises(ServiceError, match="was not measured"):
        library.apply_funnel("library", Funnel(dim=64, candidates=7, quantisation="int8"))
