"""A model without layers: it learns, and with layers added it gives the same vectors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import embedder
from embedder.prompts import KALM, TASKS, query_prefix
from tests.training.conftest import WORDS, lines, save_model
from training.config import ScratchConfig, StaticConfig, TrainConfig
from training.errors import BadConfig, BadData
from training.grow import grow
from training.scratch import scratch
from training.static import Block, _contrast, _same, static
from training.student import Student


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two languages: each word, and its translation, which is the word backwards."""
    rows = [{"query": word, "pos": [word[::-1]], "task": "parallel"} for word in WORDS]
    return lines(tmp_path / "data" / "pairs.jsonl", rows * 3)


def table(data: Path, output: Path) -> Path:
    return scratch(
        ScratchConfig(
            data=(data,),
            output=output,
            layers=0,
            width=48,
            heads=4,
            inner=64,
            vocabulary=500,
            epsilon=0.04,
            reader="multilingual",
            dims=(24, 12),
        )
    )


def order(model: Path, data: Path, output: Path) -> StaticConfig:
    return StaticConfig(
        str(model),
        (data,),
        output,
        steps=60,
        blocks=2,
        block=18,
        dims=(24, 12),
        teacher_weight=1.0,
    )


def test_translations_find_each_other_and_layers_change_nothing(data: Path, tmp_path: Path) -> None:
    first = table(data, tmp_path / "random")

    trained = static(order(first, data, tmp_path / "static"))
    grown = grow(trained, tmp_path / "grown", layers=2)

    def right(folder: Path) -> float:
        encoder = embedder.load(str(folder), "cpu", "fp32")
        scores = encoder.encode_queries(WORDS) @ encoder.encode_documents([w[::-1] for w in WORDS]).T
        return float((scores.argmax(axis=1) == np.arange(len(WORDS))).mean())

    assert right(trained) > 0.9 > right(first)
    before = embedder.load(str(trained), "cpu", "fp32").encode_documents(WORDS)
    after = Student(TrainConfig(model=str(grown), device="cpu", precision="fp32")).encode_documents(WORDS)
    assert (before * after).sum(axis=1).min() > 0.999999


def test_the_prompts_are_one_token_each_and_case_and_width_are_no_matter(data: Path, tmp_path: Path) -> None:
    encoder = embedder.load(str(table(data, tmp_path / "random")), "cpu", "fp32")

    assert len(encoder.token_spans(query_prefix(KALM, TASKS["retrieval"]))) == 1
    assert len(encoder.token_spans(query_prefix(KALM, TASKS["intents"]))) == 1
    assert np.array_equal(encoder.encode_documents(["RED cat"]), encoder.encode_documents(["red  ｃａｔ"]))
    rare = encoder.token_spans("red 凉")
    assert rare == [(0, 3), (4, 5), (4, 5), (4, 5)]  # its bytes
    assert embedder.fit("凉" * 400, encoder)[0] == "凉" * 170  # 510 of 511 tokens: no character is cut


def test_a_teacher_draws_its_texts_and_their_translations(data: Path, tmp_path: Path) -> None:
    first = table(data, tmp_path / "random")
    taught = lines(tmp_path / "taught.jsonl", [{"text": word} for word in WORDS])
    half = len(WORDS) // 2
    rows = [
        {"query": one, "pos": [other], "task": "parallel"}
        for one, other in zip(WORDS[:half], WORDS[half:], strict=True)
    ]
    synonyms = lines(tmp_path / "synonyms.jsonl", rows)
    teacher = static(replace(order(first, synonyms, tmp_path / "teacher"), block=half))

    alone = static(order(first, data, tmp_path / "alone"))
    pupil = static(
        replace(
            order(first, data, tmp_path / "pupil"), teacher=str(teacher), taught=(taught,), teacher_weight=200
        )
    )

    def told(folder: Path) -> float:
        """How near the translations of synonyms are, which only the teacher knows to be synonyms."""
        vectors = embedder.load(str(folder), "cpu", "fp32").encode_documents([word[::-1] for word in WORDS])
        return float((vectors[:half] * vectors[half:]).sum(axis=1).mean())

    assert told(pupil) > told(alone) + 0.2


def test_words_begin_where_the_teacher_sees_them(data: Path, tmp_path: Path) -> None:
    first = table(data, tmp_path / "random")
    teacher = static(order(first, data, tmp_path / "teacher"))
    rows = [{"query": f"{word} " * 20, "pos": [word], "text": f"{word} " * 20} for word in WORDS]
    texts = lines(tmp_path / "texts.jsonl", rows)

    begun = static(
        replace(
            order(first, texts, tmp_path / "begun"),
            steps=1,
            learning_rate=1e-9,
            teacher=str(teacher),
            taught=(texts,),
        )
    )

    def angles(folder: Path) -> np.ndarray:
        vectors = embedder.load(str(folder), "cpu", "fp32").encode_documents(WORDS)
        return (vectors @ vectors.T)[np.triu_indices(len(WORDS), 1)]

    seen = angles(teacher)
    assert np.corrcoef(angles(begun), seen)[0, 1] > 0.9 > 0.7 > np.corrcoef(angles(first), seen)[0, 1]


def test_the_written_out_gradient_is_that_of_the_loss(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    zero = np.zeros(5, np.int64)
    queries, passages = np.arange(5), np.array([5, 6, 7, 8, 5])  # the first and the last share a passage
    block = Block(queries, passages, zero, zero, prompted=True, alike=True)
    config = StaticConfig("", (), tmp_path, dims=(4,), dim_weights=(0.5,), temperature=0.2)
    vectors = torch.tensor(rng.standard_normal((10, 8)), dtype=torch.float32, requires_grad=True)

    loss = _contrast(vectors, [block], config, step=0)
    loss.backward()  # type: ignore[no-untyped-call]
    found, vectors.grad = vectors.grad, None
    expected = torch.zeros(())
    for width, weight in ((8, 1.0), (4, 0.5)):
        unit = torch.nn.functional.normalize(vectors[:, :width], dim=1)
        scores = unit[:5] @ unit[5:].T / 0.2
        scores[_same(block)] = float("-inf")
        right = torch.arange(5)
        both = [torch.nn.functional.cross_entropy(side, right) for side in (scores, scores.T)]
        expected = expected + weight * sum(both) / 2
    expected.backward()  # type: ignore[no-untyped-call]

    assert abs(float(loss.detach()) - float(expected.detach())) < 0.03  # its products are in bf16
    assert found is not None
    assert vectors.grad is not None
    assert torch.nn.functional.cosine_similarity(found.flatten(), vectors.grad.flatten(), dim=0) > 0.999


def test_what_can_not_be_trained_or_grown_is_refused(data: Path, qwen: Path, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"has layers: make one with `scratch --layers 0`"):
        static(order(qwen, data, tmp_path / "out"))
    taught = lines(tmp_path / "other.jsonl", [{"text": "something else"}])
    first = table(data, tmp_path / "random")
    with pytest.raises(BadData, match="none of the --taught texts is in the data"):
        static(replace(order(first, data, tmp_path / "out"), teacher=str(first), taught=(taught,)))
    with pytest.raises(BadConfig, match="of type 'bert': only Qwen2 and Qwen3 grow"):
        grow(save_model(tmp_path / "bert", "bert"), tmp_path / "out", layers=1)


def test_the_table_may_learn_slower_than_the_layers(qwen: Path, pairs: Path, tmp_path: Path) -> None:
    from training.train import train

    config = TrainConfig(
        model=str(qwen),
        data=(pairs,),
        output=tmp_path / "run",
        steps=2,
        batch_size=9,
        learning_rate=1e-3,
        embedding_rate=0.0,
        weight_decay=0.0,
        device="cpu",
        precision="fp32",
        dims=(16,),
        dim_weights=(1.0, 0.3),
    )
    folder = train(config)

    before, after = (
        Student(TrainConfig(model=str(one), device="cpu", precision="fp32")).network for one in (qwen, folder)
    )
    changed = {
        name
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert "embed_tokens.weight" not in changed
    assert "layers.0.mlp.down_proj.weight" in changed
    assert json.loads((folder.parent / "config.json").read_text())["embedding_rate"] == 0.0
