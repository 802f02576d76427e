"""A folder's own files: honoured, or refused with what to do."""

import json
import shutil
from typing import Any

import pytest

import embedder
from embedder.errors import BrokenModel, ModelNotFound, UnsupportedModel
from embedder.layout import read_layout
from tests.embedder.conftest import SAME, SHORT, Save, cosines


def test_pickled_weights_are_refused(save: Save) -> None:
    folder = save("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(UnsupportedModel, match="pickled weights can run code"):
        embedder.load(str(folder))


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "pooling 'max'; supported: mean, cls, last"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            r"pooling 'mean\+cls'",
        ),
        ("config.json", {"model_type": "bert", "quantization_config": {}}, "is quantised"),
        ("adapter_config.json", {}, "is an adapter of another model: merge the two"),
        (
            "modules.json",
            [
                {"type": "sentence_transformers.models.Transformer"},
                {"type": "sentence_transformers.models.Dense"},
            ],
            "modules Transformer, Dense; supported: Transformer, Pooling, Normalize",
        ),
    ],
)
def test_what_was_not_validated_is_refused(save: Save, file: str, settings: Any, message: str) -> None:
    folder = save("bert")
    (folder / file).write_text(json.dumps(settings))

    with pytest.raises(UnsupportedModel, match=message):
        read_layout(folder, None)


def test_a_model_for_dot_products_is_refused_unless_it_normalises(save: Save) -> None:
    similarity = json.dumps({"similarity_fn_name": "dot"})
    lengths_matter, unit = save("bert", name="lengths", normalised=False), save("bert", name="unit")
    for folder in (lengths_matter, unit):
        (folder / "config_sentence_transformers.json").write_text(similarity)

    assert read_layout(unit, None).pooling == "mean"
    with pytest.raises(UnsupportedModel, match="compares by 'dot' of vectors that are not normalised"):
        read_layout(lengths_matter, None)


@pytest.mark.parametrize(
    ("settings", "query", "document"),
    [
        ({}, "", ""),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"document": "", "passage": "p: "}}, "", ""),
        ({"prompts": {"both": "b: ", "query": "q: "}, "default_prompt_name": "both"}, "q: ", "b: "),
    ],
)
def test_prompts_are_chosen_as_sentence_transformers_does(
    save: Save, settings: dict[str, Any], query: str, document: str
) -> None:
    folder = save("bert")
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))

    layout = read_layout(folder, None)

    assert (layout.query_prompt, layout.document_prompt) == (query, document)


def test_weights_may_lie_in_a_folder_of_their_own(save: Save) -> None:
    folder = save("bert")
    expected = embedder.load(str(folder), "cpu", "fp32").encode_documents(SHORT)
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "sentence_bert_config.json"):
        shutil.move(folder / file, inner)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = inner.name
    (folder / "modules.json").write_text(json.dumps(modules))

    encoder = embedder.load(str(folder), "cpu", "fp32")

    assert encoder.card.max_tokens == 128
    assert cosines(encoder.encode_documents(SHORT), expected).min() >= SAME


def test_a_folder_without_a_model_is_not_found(save: Save) -> None:
    folder = save("bert")
    (folder / "config.json").unlink()

    with pytest.raises(ModelNotFound, match=r"holds no model: it has no config\.json"):
        embedder.load(str(folder))


@pytest.mark.parametrize("file", ["config.json", "modules.json", "tokenizer.json"])
def test_a_file_that_can_not_be_read_is_named(save: Save, file: str) -> None:
    folder = save("bert")
    (folder / file).write_text("{")

    with pytest.raises(BrokenModel, match=rf"{file} can't be read: "):
        embedder.load(str(folder), "cpu", "fp32")
