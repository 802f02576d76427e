"""Averages of weights, and models that have none."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.conftest import save_model
from training.errors import Mismatch
from training.export import verify
from training.soup import greedy, soup


@pytest.fixture
def two(qwen: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the same moved by 0.01 in every weight."""
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(qwen, first)
    shutil.copytree(qwen, second)
    weights = load_file(qwen / "model.safetensors")
    save_file(
        {name: value + 0.01 for name, value in weights.items()},
        second / "model.safetensors",
        {"format": "pt"},
    )
    return first, second


def test_weights_are_averaged_by_their_shares(two: tuple[Path, Path], tmp_path: Path) -> None:
    made = soup(two, [3, 1], tmp_path / "soup")

    first, averaged = (load_file(folder / "model.safetensors") for folder in (two[0], made))
    assert all(torch.allclose(averaged[name], value + 0.0025, atol=1e-6) for name, value in first.items())
    assert min(verify(made).values()) > 0.99999
    assert "0.750" in (made / "README.md").read_text()


def test_models_of_another_shape_vocabulary_or_pooling_are_refused(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    other = save_model(tmp_path / "deep", "qwen2", num_hidden_layers=3)
    with pytest.raises(Mismatch, match=r"has layer_types|has num_hidden_layers"):
        soup([two[0], other], [1, 1], tmp_path / "soup")

    tokenizer = two[1] / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("[SEP]", "[END]"))
    with pytest.raises(Mismatch, match=r"different tokenizer.json"):
        soup(two, [1, 1], tmp_path / "soup")

    shutil.copyfile(two[0] / "tokenizer.json", tokenizer)
    pooling = two[1] / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(Mismatch, match=r"1_Pooling/config.json"):
        soup(two, [1, 1], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_one_model_is_no_soup(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="1 models and 1 weights"):
        soup(two[:1], [1], tmp_path / "soup")


def test_a_greedy_soup_takes_only_what_makes_it_better(two: tuple[Path, Path], tmp_path: Path) -> None:
    third = tmp_path / "third"
    shutil.copytree(two[0], third)
    weights = load_file(two[0] / "model.safetensors")
    save_file(
        {name: value - 0.05 for name, value in weights.items()}, third / "model.safetensors", {"format": "pt"}
    )

    def score(folder: Path) -> float:
        """Best at the first model's weights moved by 0.006."""
        mean = torch.cat([v.flatten() for v in load_file(folder / "model.safetensors").values()]).mean()
        start = torch.cat([v.flatten() for v in weights.values()]).mean()
        return -abs(float(mean - start) - 0.006)

    members = greedy([two[0], third, two[1]], score, tmp_path / "soup")

    assert members == [two[1], two[0]]
    assert score(tmp_path / "soup") == pytest.approx(-0.001, abs=1e-5)
