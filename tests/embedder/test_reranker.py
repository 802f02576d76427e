"""Rerankers: a cross-encoder's folder against sentence-transformers', a server in each of three dialects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder as Reference
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from embedder.cross_encoder import BATCH_TEXTS, CrossEncoder
from embedder.errors import BrokenModel, RerankerFailed, UnsupportedModel
from embedder.reranker import Api, RerankServer
from tests.app.conftest import running
from tests.embedder.rerank_server import RerankApp

QUERY = "where does the battery go"
TEXTS = ["the battery wants a dry place", "bake the bread", "", "battery " * 700, "w7 x8 battery"]


def save(folder: Path, labels: int = 1) -> Path:
    """A random BERT of two layers over a few words, as transformers saves it."""
    words = sorted({word for text in [QUERY, *TEXTS] for word in text.split()})
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=128,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("cross-encoder"))


def test_a_folder_scores_as_sentence_transformers_does(folder: Path) -> None:
    ours = CrossEncoder(folder, 30, "cpu").score(QUERY, TEXTS)

    reference = Reference(str(folder), device="cpu", local_files_only=True)
    expected = reference.predict([(QUERY, text) for text in TEXTS], activation_fn=torch.nn.Sigmoid())
    assert ours == pytest.approx(expected.tolist(), abs=1e-5)
    assert max(ours) - min(ours) > 0.01


def test_neither_order_nor_company_changes_a_score(folder: Path) -> None:
    model = CrossEncoder(folder, 30, "cpu")
    many = (TEXTS * 8)[: 2 * BATCH_TEXTS + 1]

    together = model.score(QUERY, many)

    assert together == pytest.approx(model.score(QUERY, many[::-1])[::-1], abs=1e-5)
    assert together[0] == pytest.approx(model.score(QUERY, many[:1])[0], abs=1e-5)
    assert model.score(QUERY, []) == []


def test_a_folder_that_is_no_reranker_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BrokenModel, match=r"a reranker is a folder with config.json, a tokenizer and \*.safe"
    ):
        CrossEncoder(tmp_path, 30, "cpu")
    with pytest.raises(UnsupportedModel, match="gives 3 scores; a reranker gives one"):
        CrossEncoder(save(tmp_path / "three", labels=3), 30, "cpu")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no")
    with pytest.raises(BrokenModel, match="can't be loaded as a reranker"):
        CrossEncoder(tmp_path / "broken", 30, "cpu")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, RerankApp]]:
    app = RerankApp()
    with running(app.app) as url:
        yield url, app


def connect(
    server: tuple[str, RerankApp], api: Api, model: str = "m", timeout_s: float = 10.0
) -> RerankServer:
    url = f"{server[0]}/{api}/rerank"
    return RerankServer(url, 30, api=api, model=model, api_key="secret", timeout_s=timeout_s)


@pytest.mark.parametrize("api", ["jina", "cohere", "tei"])
def test_a_server_is_asked_in_its_own_words(server: tuple[str, RerankApp], api: Api) -> None:
    reranker = connect(server, api)

    assert reranker.score("dry place", ["bread", "a dry place", "dry"]) == [0.0, 1.0, 0.5]

    sent = server[1].requests[-1]
    assert sent.pop("key") == "secret"
    texts = ["bread", "a dry place", "dry"]
    known = {"query": "dry place", "documents": texts, "top_n": 3, "model": "m"}
    assert (
        sent
        == {
            "jina": {**known, "return_documents": False},
            "cohere": known,
            "tei": {"query": "dry place", "texts": texts, "truncate": True},
        }[api]
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("slow", r"took longer than 0.3 s \(KALM_RERANKER_TIMEOUT_S\)"),
        ("refuses", "answered 422: check KALM_RERANKER_MODEL"),
        ("garbles", "does not answer as jina's do: check KALM_RERANKER_API"),
        ("forgets", "scored 1 of 2 passages"),
        ("infinite", "does not answer as jina's do"),
    ],
)
def test_a_server_that_fails_says_how(server: tuple[str, RerankApp], model: str, message: str) -> None:
    timeout_s = 0.3 if model == "slow" else 10.0
    with pytest.raises(RerankerFailed, match=message):
        connect(server, "jina", model, timeout_s).score("x", ["a", "b"])


def test_no_server_at_all_is_one_clear_line() -> None:
    nobody = RerankServer("http://127.0.0.1:9/rerank", 30, api_key=None, timeout_s=1)

    with pytest.raises(RerankerFailed, match="did not answer"):
        nobody.score("x", ["a"])
