"""The dial: measured on a collection's own sentences, kept, and never worse than it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.database import Database
from ingest.errors import NotPossible
from ingest.index.contract import Compression, Funnel
from ingest.pipeline import Shelf
from ingest.tuning import AGREEMENT, QUANTISATIONS, Tunings, _own_sentences, funnel_of, tune
from tests.ingest.test_pipeline import put


@pytest.fixture
def library(tmp_path: Path, shelf: Shelf) -> Shelf:
    for number in range(40):
        text = "\n".join(
            f"# Part {part}\n\nSentence {part} of text {number} is about thing {part * number}."
            for part in range(10)
        )
        put(tmp_path / f"{number}.md", text, shelf)
    return shelf


def test_the_curves_have_every_width_and_quantisation_and_begin_with_exact_search(library: Shelf) -> None:
    tuning = tune(library, queries=30)

    full, prefix, *funnels = tuning.settings
    assert (full.dim, full.candidates, full.agreement) == (library.encoder.dim, None, 1.0)
    assert (prefix.dim, prefix.candidates) == (64, None)
    assert prefix.agreement < 1
    curves: dict[tuple[int, str | None], list[float]] = {}
    for one in funnels:
        assert one.candidates
        curves.setdefault((one.dim, one.quantisation), []).append(one.agreement)
    assert set(curves) == {(dim, kind) for dim in library.encoder.dims for kind in QUANTISATIONS}
    assert all(curve == sorted(curve) for curve in curves.values())
    assert curves[library.encoder.dim, "none"][-1] == 1
    assert tuning.queries == 30
    assert tuning.chunks == library.index.count()


def test_a_curve_says_what_a_search_through_its_codes_finds(library: Shelf) -> None:
    """The figures are computed over all points at once; here a search is made in that very way."""
    tuning = tune(library, queries=30)
    asked = _own_sentences(library, 30)
    queries = library.encoder.encode_queries(asked)
    for kind in (Compression(64, "int8"), Compression(library.encoder.dim, "binary")):
        library.index.compress(kind)
        for one in tuning.settings:
            if one.candidates is None or (one.dim, one.quantisation) != (kind.dim, kind.quantisation):
                continue
            funnel = funnel_of(one)
            if funnel.candidates < 30:  # three for each result are looked at in any case
                continue
            shares = []
            for query in queries:
                exact = {hit.chunk.id for hit in library.index.search(query, limit=10, exact=True)}
                found = {hit.chunk.id for hit in library.index.search(query, limit=10, funnel=funnel)}
                shares.append(len(exact & found) / len(exact))
            assert np.mean(shares) == pytest.approx(one.agreement, abs=0.01)


def test_memory_is_that_of_the_codes(library: Shelf) -> None:
    tuning = tune(library, queries=5)
    chunks = library.index.count()

    sizes = {(one.dim, one.quantisation): one.memory_bytes for one in tuning.settings if one.candidates}

    assert sizes[64, "int8"] >= 64 * chunks
    assert sizes[256, "none"] - sizes[64, "none"] == (256 - 64) * 2 * sizes[64, "int8"] // (64 + 4 + 28)
    assert sizes[256, "binary"] < sizes[256, "int8"] < sizes[256, "none"]


def test_a_chosen_funnel_keeps_what_it_promises(library: Shelf) -> None:
    tuning = tune(library, queries=30)

    if tuning.chosen is not None:
        (chosen,) = [one for one in tuning.settings if one.candidates and funnel_of(one) == tuning.chosen]
        assert chosen.agreement >= AGREEMENT
        assert chosen.p50_ms is not None
        assert chosen.p50_ms < (tuning.settings[0].p50_ms or 0)


def test_a_tuning_is_kept(library: Shelf, database: Database) -> None:
    tunings = Tunings(database)
    assert tunings.get("library") is None
    tuning = tune(library, queries=10)

    tuning = replace(tuning, applied=Funnel(64, 50, "int8"), previous=(Funnel(64, 200),), problem="none")
    tunings.put("library", tuning)
    tunings.put("library", tuning)

    assert tunings.get("library") == tuning


def test_an_empty_collection_says_what_to_do(shelf: Shelf) -> None:
    with pytest.raises(NotPossible, match="ingest something first"):
        tune(shelf)
