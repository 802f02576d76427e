"""Loading: the direction of attention, damaged weights, and folders that would have code run."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2Model

import embedder
from embedder.errors import BrokenModel, UnsupportedModel
from embedder.kalm import KalmEncoder
from tests.embedder.conftest import SAME, SHORT, Save, cosines


def test_bidirectional_qwen2_equals_a_forward_pass_with_a_full_mask(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": False})
    encoder = KalmEncoder(folder, None, "cpu", "fp32")
    network = Qwen2Model.from_pretrained(folder, attn_implementation="eager").eval()

    for text, ours in zip(SHORT, encoder.encode_documents(SHORT), strict=True):
        ids = torch.tensor([encoder._tokenizer.encode(text).ids])
        nothing_masked = torch.zeros(1, 1, ids.shape[1], ids.shape[1])
        with torch.inference_mode():
            hidden = network(ids, attention_mask={"full_attention": nothing_masked}).last_hidden_state
        reference = hidden.mean(dim=1).numpy()
        assert cosines(ours[None], reference).min() >= SAME


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "model type 'gpt2' was not validated; supported: bert"),
        (
            {"auto_map": {"AutoModel": "modeling.Qwen2Bidirectional"}},
            'comes with its own model code.*set "is_causal" in its config.json',
        ),
    ],
)
def test_what_was_not_validated_is_refused(save: Save, config: dict[str, object], message: str) -> None:
    with pytest.raises(UnsupportedModel, match=message):
        embedder.load(str(save("qwen2", config=config)))


def test_a_folders_own_code_is_never_run(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": False, "auto_map": {"AutoModel": "evil.Model"}})
    (folder / "evil.py").write_text("raise SystemExit('run')")

    assert embedder.load(str(folder), "cpu", "fp32").dim == 32


@pytest.mark.parametrize(
    "field", ["attn_implementation", "_attn_implementation_internal", "experts_implementation"]
)
def test_a_config_can_not_name_a_kernel_to_fetch(save: Save, field: str) -> None:
    folder = save("bert", config={field: "somebody/kernel"})

    assert embedder.load(str(folder), "cpu", "fp32").dim == 32


def test_weights_that_are_missing_are_noticed(save: Save) -> None:
    folder = save("bert", config={"num_hidden_layers": 3})

    with pytest.raises(BrokenModel, match="the weights lack"):
        embedder.load(str(folder), "cpu", "fp32")


def test_weights_that_the_config_leaves_out_are_noticed(save: Save) -> None:
    folder = save("bert", config={"num_hidden_layers": 1})

    with pytest.raises(BrokenModel, match=r"config\.json leaves out encoder\.layer\.1"):
        embedder.load(str(folder), "cpu", "fp32")


def test_damaged_weights_are_noticed(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": True})
    weights = load_file(folder / "model.safetensors")
    weights["norm.weight"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BrokenModel, match="not finite; its weights are damaged"):
        embedder.load(str(folder), "cpu", "fp32")


def test_weights_that_are_no_weights_are_noticed(save: Save) -> None:
    folder = save("bert")
    (folder / "model.safetensors").write_bytes(b"interrupted" * 20)

    with pytest.raises(BrokenModel, match="model can't be loaded: "):
        embedder.load(str(folder), "cpu", "fp32")


def test_a_config_that_makes_no_sense_is_refused(save: Save) -> None:
    with pytest.raises(BrokenModel, match="expected int, got str"):
        embedder.load(str(save("bert", config={"hidden_size": "wide"})), "cpu", "fp32")


def test_the_base_of_its_rotations_is_taken_from_the_config(save: Save) -> None:
    folder = save("qwen2", config={"rope_parameters": None, "rope_theta": 1e6, "is_causal": True})

    config = KalmEncoder(folder, None, "cpu", "fp32")._model.network.config

    assert config.rope_parameters["rope_theta"] == 1e6
