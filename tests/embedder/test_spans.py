"""Late chunking: against its definition, over borders of windows, and at its edges."""

import json

import numpy as np
import pytest
import torch
from transformers import Qwen2Model

import embedder
from embedder.errors import EmptySpan, UnsupportedModel
from embedder.kalm import KalmEncoder
from embedder.spans import token_ranges, windows
from tests.embedder.conftest import SAME, SHORT, Save, cosines

TEXT = "The battery wants a cool and dry place. Charge it to sixty percent before winter."


@pytest.mark.parametrize(("tokens", "size"), [(0, 8), (1, 8), (8, 8), (9, 8), (1000, 64), (65, 64), (5, 1)])
def test_windows_keep_every_token_once_and_far_from_an_edge(tokens: int, size: int) -> None:
    found = list(windows(tokens, size))

    kept = [token for window in found for token in range(window.keep_begin, window.keep_end)]
    assert kept == list(range(tokens))
    for window in found:
        assert window.begin <= window.keep_begin <= window.keep_end <= window.end <= tokens
        assert window.end - window.begin <= size
        assert window.keep_begin - window.begin >= size // 8 or window.begin == 0
        assert window.end - window.keep_end >= size // 8 or window.end == tokens


def test_a_token_that_reaches_into_a_span_is_in_it() -> None:
    offsets = [(0, 3), (4, 7), (7, 9)]

    assert token_ranges(offsets, [(0, 9), (5, 7), (2, 5), (8, 100)]) == [(0, 3), (1, 2), (0, 2), (2, 3)]
    with pytest.raises(EmptySpan, match="characters 3 to 4 hold no token: leave that span out"):
        token_ranges(offsets, [(3, 4)])


@pytest.mark.parametrize("architecture", ["bert", "qwen2", "xlm-roberta"])
def test_the_span_of_a_whole_text_is_its_vector(save: Save, architecture: str) -> None:
    folder = save(architecture, config={"is_causal": False})
    if architecture != "qwen2":  # whose small tokenizer drops what it does not know
        prompts = '{"prompts": {"document": "passage: "}}'
        (folder / "config_sentence_transformers.json").write_text(prompts)
    encoder = embedder.load(str(folder), "cpu", "fp32")

    for text in filter(encoder.token_spans, SHORT):
        whole = encoder.encode_spans(text, [(0, len(text))])
        assert cosines(whole, encoder.encode_documents([text])).min() >= SAME


def test_a_span_s_vector_is_the_mean_of_its_own_tokens_read_with_all_others(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": False})
    encoder = KalmEncoder(folder, None, "cpu", "fp32")
    network = Qwen2Model.from_pretrained(folder, attn_implementation="eager").eval()
    encoding = encoder._tokenizer.encode(TEXT)
    ids = torch.tensor([encoding.ids])
    nothing_masked = {"full_attention": torch.zeros(1, 1, ids.shape[1], ids.shape[1])}
    with torch.inference_mode():
        hidden = network(ids, attention_mask=nothing_masked).last_hidden_state[0]
    spans = [(40, 60), (4, 17), (10, 30)]  # in any order, overlapping

    found = encoder.encode_spans(TEXT, spans, dim=32)

    for (begin, end), vector in zip(spans, found, strict=True):
        own = [at for at, (first, last) in enumerate(encoding.offsets) if first < end and last > begin]
        assert cosines(vector[None], hidden[own].mean(dim=0, keepdim=True).numpy()).min() >= SAME
        assert cosines(vector[None], encoder.encode_documents([TEXT[begin:end]])).max() < SAME


def test_a_text_longer_than_the_model_takes_is_read_in_windows(save: Save) -> None:
    folder = save("qwen2", config={"is_causal": False})
    short, long = folder / "sentence_bert_config.json", '{"max_seq_length": 512}'
    text = " ".join(["the battery wants a cool place", "three", "dry"] * 40)
    middles = [(at, at + 30) for at in range(100, len(text) - 150, 37)]
    windowed = embedder.load(str(folder), "cpu", "fp32").encode_spans(text, middles)
    short.write_text(long)
    whole = embedder.load(str(folder), "cpu", "fp32")

    assert len(whole.token_spans(text)) > 2 * 128
    assert cosines(windowed, whole.encode_spans(text, middles)).min() > 0.9
    assert np.abs(np.linalg.norm(windowed, axis=1) - 1).max() < 1e-5


def test_what_has_no_parts_is_refused_and_no_spans_are_no_vectors(save: Save) -> None:
    encoder = embedder.load(str(save("bert", pooling="cls")), "cpu", "fp32")

    with pytest.raises(UnsupportedModel, match="model describes a text by its first token"):
        encoder.encode_spans(TEXT, [(0, 3)])
    mean = embedder.load(str(save("bert", name="mean")), "cpu", "fp32")
    assert mean.encode_spans(TEXT, []).shape == (0, 32)
    with pytest.raises(EmptySpan):
        mean.encode_spans("a b", [(1, 2)])


def test_texts_of_one_token_and_of_32768_share_a_call(save: Save) -> None:
    folder = save("qwen2", layers=1, config={"is_causal": False, "max_position_embeddings": 40_000})
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32_768}))
    encoder = embedder.load(str(folder), "cpu", "fp32")
    texts = ["a", "a " * 32_766, "one two three", "", "b " * 3000]

    together = encoder.encode_documents(texts)

    alone = np.vstack([encoder.encode_documents([text]) for text in texts])
    assert cosines(together, alone).min() >= SAME


def test_a_text_is_cut_to_what_fits_and_the_rest_is_counted(save: Save) -> None:
    encoder = embedder.load(str(save("bert")), "cpu", "fp32")
    text = "one two three " * 60

    beginning, dropped = embedder.fit(text, encoder)

    assert text.startswith(beginning)
    assert len(encoder.token_spans(beginning)) == encoder.room == 126
    assert dropped == len(encoder.token_spans(text)) - 126
    assert encoder.encode_documents([beginning]).shape == (1, 32)
    assert embedder.fit("short", encoder) == ("short", 0)
