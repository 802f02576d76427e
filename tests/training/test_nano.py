"""The command that makes kalm-nano, on a pack of a few lines."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import embedder
from tests.training.conftest import WORDS
from training import nano
from training.export import verify


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A thousand questions about passages, and as many translations; one source without a licence."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "pack"
    folder.mkdir()
    for name, task, told in (("qa", "qa", "en"), ("bitext", "parallel", "de")):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            for at in range(1000):
                text = " ".join(rng.choice(WORDS, 16)) + f" {at}"
                row = {"query": text[:30], "pos": [text], "task": task, "lang": "en", "pos_lang": told}
                source = "tquad" if at == 0 else "ours"
                file.write(json.dumps({**row, "source": source}) + "\n")
    return folder


def test_all_steps_run_and_the_folder_is_read_alike_by_every_reader(pack: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"

    nano.main(pack, output, small=True)

    made = output / "kalm-nano"
    assert min(verify(made).values()) > 0.99999
    assert embedder.load(str(made), "cpu").dims == (512, 256, 128)
    assert (made / "model.safetensors").stat().st_size < 8e6  # fp16
    assert len((output / "data.jsonl").read_text().splitlines()) == 1998
