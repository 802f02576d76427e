"""Our encoder against the reference, against its own promises, and against models that would lie."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch import Tensor

import embedder
from embedder.attention import attend
from embedder.catalog import CATALOG
from embedder.encoder import Vectors
from embedder.errors import BrokenModel, TextTooLong, UnknownDim, WrongWeights
from embedder.kalm import KalmEncoder
from embedder.prompts import TASKS
from tests.embedder.conftest import SAME, SHORT, TEXTS, Save, cosines


def always_causal(q: Tensor, k: Tensor, v: Tensor, lengths: list[int], **named: Any) -> Tensor:
    return attend(q, k, v, lengths, **{**named, "causal": True})


def as_one_text(q: Tensor, k: Tensor, v: Tensor, lengths: list[int], **named: Any) -> Tensor:
    return attend(q, k, v, [sum(lengths)], **named)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def minilm() -> embedder.Encoder:
    return embedder.load("all-MiniLM-L6-v2", "cpu", "fp32")


@pytest.mark.parametrize(
    ("architecture", "pooling", "config"),
    [
        ("bert", "mean", {}),
        ("bert", "cls", {}),
        ("distilbert", "mean", {}),
        ("roberta", "mean", {}),
        ("mpnet", "mean", {}),
        ("xlm-roberta", "cls", {}),
        ("qwen2", "lasttoken", {}),
        ("qwen2", "mean", {"is_causal": True}),
        ("qwen2", "mean", {"is_causal": False}),
        ("qwen3", "lasttoken", {}),
        ("gemma3_text", "lasttoken", {}),
        ("gemma3_text", "mean", {"use_bidirectional_attention": True}),
    ],
)
def test_vectors_equal_sentence_transformers(
    save: Save, architecture: str, pooling: str, config: dict[str, bool]
) -> None:
    folder = save(architecture, pooling=pooling, config=config)
    reference = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if config.get("is_causal") is False:  # the reference library leaves the layers' own flags causal
        for module in reference.modules():
            if hasattr(module, "is_causal"):
                module.is_causal = False

    ours = embedder.load(str(folder), "cpu", "fp32").encode_documents(SHORT)

    assert cosines(ours, reference.encode(SHORT)).min() >= SAME


def test_all_minilm_equals_sentence_transformers(minilm: embedder.Encoder) -> None:
    from embedder.locate import locate

    reference = SentenceTransformer(str(locate("all-MiniLM-L6-v2")[1]), device="cpu", local_files_only=True)

    assert cosines(minilm.encode_documents(TEXTS), reference.encode(TEXTS)).min() >= SAME
    assert minilm.card.languages == "English only"


def test_neither_batch_nor_order_changes_a_vector(minilm: embedder.Encoder) -> None:
    together = minilm.encode_documents(TEXTS)
    alone = np.vstack([minilm.encode_documents([text]) for text in TEXTS])
    backwards = minilm.encode_documents(TEXTS[::-1])[::-1]
    repeated = minilm.encode_documents([*TEXTS, *TEXTS])[len(TEXTS) :]

    for other in (alone, backwards, repeated):
        assert np.abs(together - other).max() < 1e-5


def test_every_width_gives_unit_vectors_that_begin_alike(minilm: embedder.Encoder) -> None:
    full = minilm.encode_documents(TEXTS)

    for dim in minilm.dims:
        vectors = minilm.encode_documents(TEXTS, dim=dim)
        assert vectors.shape == (len(TEXTS), dim)
        assert vectors.dtype == np.float32
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
        assert cosines(vectors, full[:, :dim]).min() >= SAME
    with pytest.raises(UnknownDim, match="all-MiniLM-L6-v2 has 384, 192, 96 dims, not 100"):
        minilm.encode_documents(TEXTS, dim=100)


def test_odd_texts_have_vectors_too(minilm: embedder.Encoder) -> None:
    odd = ["", "   ", "a\0b", "lone \ud800 surrogate", "👩‍👩‍👧‍👦"]

    vectors = minilm.encode_documents(odd)

    assert np.isfinite(vectors).all()
    assert cosines(vectors[2:3], minilm.encode_documents(["ab"])).min() >= SAME


def test_a_text_without_a_token_has_a_vector_of_length_one(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": False})
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "post_processor": None}))
    weights = load_file(folder / "model.safetensors")
    weights["embed_tokens.weight"][0] = 1.0  # a new model's padding is zeros, a trained one's is not
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    vectors = embedder.load(str(folder), "cpu", "fp32").encode_documents(["", "a"])

    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-5)


def test_no_texts_are_no_vectors(minilm: embedder.Encoder) -> None:
    assert minilm.encode_queries([], dim=96).shape == (0, 96)


def test_nothing_is_cut_silently(minilm: embedder.Encoder) -> None:
    with pytest.raises(
        TextTooLong, match=r"tokens, all-MiniLM-L6-v2 takes 256: split the text that begins 'w w"
    ):
        minilm.encode_documents(["w " * 300])


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "roberta", "xlm-roberta"])
def test_the_longest_text_that_is_taken_has_a_vector(save: Save, architecture: str) -> None:
    folder = save(architecture)
    (folder / "sentence_bert_config.json").unlink()  # then the model's positions are the limit
    encoder = embedder.load(str(folder), "cpu", "fp32")
    words = encoder.card.max_tokens - 2

    assert encoder.encode_documents(["a " * words]).shape == (1, 32)
    with pytest.raises(TextTooLong):
        encoder.encode_documents(["a " * (words + 1)])


def test_a_folder_that_lowercases_is_lowercased(save: Save) -> None:
    folder = save("bert")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "normalizer": None}))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": true}')
    reference = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    ours = embedder.load(str(folder), "cpu", "fp32").encode_documents(["The BATTERY", "the battery"])

    assert cosines(ours[:1], ours[1:]).min() >= SAME
    assert cosines(ours, reference.encode(["The BATTERY", "the battery"])).min() >= SAME


def test_token_spans_cover_the_words_where_they_stand(minilm: embedder.Encoder) -> None:
    text = "Where\0 does \ud800 it go?"

    words = [text[begin:end] for begin, end in minilm.token_spans(text)]

    assert [word for word in words if word.isalpha()] == ["Where", "does", "it", "go"]


def test_many_threads_get_the_same_vectors(minilm: embedder.Encoder) -> None:
    expected = minilm.encode_queries(TEXTS)

    with ThreadPoolExecutor(4) as threads:
        for vectors in threads.map(lambda _: minilm.encode_queries(TEXTS), range(8)):
            assert np.abs(vectors - expected).max() < 1e-5


def test_a_query_carries_the_models_prompt_and_a_document_does_not(save: Save) -> None:
    folder = save("bert")
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    encoder = embedder.load(str(folder), "cpu", "fp32")
    plain = KalmEncoder(save("bert", name="plain"), None, "cpu", "fp32")

    assert cosines(encoder.encode_queries(["a"]), plain.encode_documents(["query: a"])).min() >= SAME
    assert cosines(encoder.encode_documents(["a"]), plain.encode_documents(["passage: a"])).min() >= SAME


def test_a_folder_has_a_prompt_for_a_task(save: Save) -> None:
    plain = KalmEncoder(save("bert", name="plain"), None, "cpu", "fp32")
    folder = save("bert")

    def told(prompts: dict[str, str], task: str) -> Vectors:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
        return embedder.load(str(folder), "cpu", "fp32").encode_queries(["a"], task=task)

    named = {"query": "query: ", "sts": "same: "}
    kalm = {"query": "Instruct: Find it \n Query: "}
    for prompts, task, prompt in [
        (named, "sts", "same: "),
        (named, "intents", "query: "),  # it knows no other, and no instructions
        (kalm, "sts", f"Instruct: {TASKS['sts']} \n Query: "),
        (kalm, "Find code", "Instruct: Find code \n Query: "),
        ({}, "sts", ""),
    ]:
        assert cosines(told(prompts, task), plain.encode_documents([f"{prompt}a"])).min() >= SAME


def test_a_folder_with_kalm_s_name_is_loaded_as_kalm(save: Save) -> None:
    folder = save("qwen2", name="KaLM-embedding-multilingual-mini-instruct-v2.5", width=896)

    shutil.rmtree(folder / "1_Pooling")
    (folder / "modules.json").unlink()  # then the catalog says how it pools
    encoder = KalmEncoder(
        save("qwen2", name="plain", width=896, config={"is_causal": False}), None, "cpu", "fp32"
    )
    kalm = embedder.load(str(folder), "cpu", "fp32")

    assert kalm.name == "kalm-v2.5"
    assert not kalm.card.causal
    prompt = f"Instruct: {CATALOG['kalm-v2.5'].instruction} \n Query: a"
    assert cosines(kalm.encode_queries(["a"]), encoder.encode_documents([prompt])).min() >= SAME
    task = encoder.encode_documents(["Instruct: Find code \n Query: a"])
    assert cosines(kalm.encode_queries(["a"], task="Find code"), task).min() >= SAME


def test_a_folder_with_kalm_s_name_and_another_shape_is_refused(save: Save) -> None:
    folder = save("qwen2", name="KaLM-embedding-multilingual-mini-instruct-v2.5")

    with pytest.raises(WrongWeights, match=r"vectors of 32, kalm-v2\.5 has 896: rename the folder"):
        embedder.load(str(folder), "cpu", "fp32")


def test_a_model_that_is_silently_causal_is_refused(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save("qwen2", config={"is_causal": False})
    monkeypatch.setattr("embedder.cpu.attend", always_causal)

    with pytest.raises(
        BrokenModel, match="model is bidirectional, but its first token does not see the last"
    ):
        KalmEncoder(folder, None, "cpu", "fp32")


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounding_is_not_taken_for_a_fault(save: Save, causal: bool, precision: str) -> None:
    folder = save("qwen2", config={"is_causal": causal}, layers=24)  # as deep as KaLM
    exact = KalmEncoder(folder, None, "cpu", "fp32").encode_documents(SHORT)

    rounded = KalmEncoder(folder, None, "cpu", precision).encode_documents(SHORT)

    assert cosines(exact, rounded).min() > (0.9998 if precision == "bf16" else 0.995)


def test_a_model_whose_texts_see_their_neighbours_is_refused(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save("qwen2", config={"is_causal": False})
    monkeypatch.setattr("embedder.cpu.attend", as_one_text)

    with pytest.raises(BrokenModel, match="a text's vector depends on its neighbours"):
        KalmEncoder(folder, None, "cpu", "fp32")


def test_the_fingerprint_tells_models_apart(save: Save) -> None:
    first = embedder.load(str(save("bert")), "cpu", "fp32").fingerprint
    again = embedder.load(str(save("bert", name="again")), "cpu", "fp32").fingerprint
    pooled = embedder.load(str(save("bert", pooling="cls", name="pooled")), "cpu", "fp32").fingerprint
    config = {"layer_norm_eps": 1e-3}
    configured = embedder.load(str(save("bert", config=config, name="configured")), "cpu", "fp32").fingerprint

    assert first == again
    assert len({first, pooled, configured}) == 3


@pytest.mark.weights
def test_kalm_v2_5_gives_its_golden_vector() -> None:
    folder = os.environ.get("KALM_TEST_MODEL")
    if not folder:
        pytest.skip("no KaLM weights: set KALM_TEST_MODEL to the folder of mini-instruct-v2.5")
    golden = CATALOG["kalm-v2.5"].golden
    assert golden is not None

    encoder = KalmEncoder(Path(folder), CATALOG["kalm-v2.5"], "cpu", "fp32")
    vector = encoder.encode_documents([golden.text])[0]

    assert np.abs(vector[: len(golden.values)] - golden.values).max() < golden.tolerance
