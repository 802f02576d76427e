"""What a trained model keeps of the one it was trained from, though it is a folder of its own."""

from pathlib import Path

import embedder
from embedder.catalog import CATALOG
from ingest.pipeline import default_chunking
from training.config import TrainConfig
from training.export import export
from training.student import Student


def test_a_trained_nano_still_knows_its_languages_and_reads_as_short_windows(tmp_path: Path) -> None:
    config = TrainConfig(model="kalm-nano", device="cpu", precision="fp32")
    first = export(Student(config), config, tmp_path / "first", rows=[], steps=1)
    again = TrainConfig(model=str(first), device="cpu", precision="fp32")  # trained further
    second = embedder.load(str(export(Student(again), again, tmp_path / "second", rows=[], steps=1)), "cpu")

    nano = CATALOG["kalm-nano"]
    assert second.card.language_codes == nano.language_codes
    assert (second.card.worth, second.card.crosses) == (nano.worth, nano.crosses)
    assert second.card.window == nano.window
    assert default_chunking(second).window_tokens == 48
    assert second.card.floor is None  # training moves cosines
    assert second.card.support is None
