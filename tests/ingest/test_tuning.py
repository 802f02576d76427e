"""The dial: measured on a collection's own sentences, kept, and never worse than it says."""

from pathlib import Path

import pytest

from ingest.database import Database
from ingest.errors import NotPossible
from ingest.pipeline import Shelf
from ingest.tuning import AGREEMENT, Tunings, tune
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


def test_the_curve_has_every_width_and_begins_with_exact_search(library: Shelf) -> None:
    tuning = tune(library, queries=30)

    full, prefix, *funnels = tuning.settings
    assert (full.dim, full.candidates, full.agreement) == (library.encoder.dim, None, 1.0)
    assert (prefix.dim, prefix.candidates) == (64, None)
    assert prefix.agreement < 1
    assert all(one.dim == 64 and one.candidates for one in funnels)
    agreements = [one.agreement for one in funnels]
    assert agreements == sorted(agreements)
    assert tuning.queries == 30
    assert tuning.chunks == library.index.count()


def test_a_chosen_funnel_keeps_what_it_promises(library: Shelf) -> None:
    tuning = tune(library, queries=30)

    if tuning.chosen is not None:
        (chosen,) = [
            one
            for one in tuning.settings
            if (one.dim, one.candidates) == (tuning.chosen.dim, tuning.chosen.candidates)
        ]
        assert chosen.agreement >= AGREEMENT
        assert chosen.p50_ms <= tuning.settings[0].p50_ms


def test_a_tuning_is_kept(library: Shelf, database: Database) -> None:
    tunings = Tunings(database)
    assert tunings.get("library") is None
    tuning = tune(library, queries=10)

    tunings.put("library", tuning)
    tunings.put("library", tuning)

    assert tunings.get("library") == tuning


def test_an_empty_collection_says_what_to_do(shelf: Shelf) -> None:
    with pytest.raises(NotPossible, match="ingest something first"):
        tune(shelf)
