"""Small models with random weights, and data whose answers can be seen by eye."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

WORDS = "red blue green cat dog bird house tree river stone bread milk road wind rain snow sun moon".split()
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 400,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}


def save_model(folder: Path, kind: str, **settings: Any) -> Path:
    """A folder as sentence-transformers has it."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(
        [" ".join(WORDS), "Instruct: Given a query, retrieve documents that answer the query Query: a b c d"],
        trainers.BpeTrainer(
            vocab_size=SHAPE["vocab_size"],
            special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    if kind == "bert":
        network: torch.nn.Module = BertModel(BertConfig(**{**SHAPE, **settings}))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    else:
        network = Qwen2Model(
            Qwen2Config(**{**SHAPE, "num_key_value_heads": 2, "is_causal": False, **settings})
        )
    network.save_pretrained(folder)  # type: ignore[operator]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    prompts = {"query": "Instruct: Given a query, retrieve documents that answer the query \n Query: "}
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {} if kind == "bert" else prompts},
        "sentence_bert_config.json": {"max_seq_length": 128},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind of model -> its folder."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = save_model(tmp_path_factory.mktemp("models") / kind, kind)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def qwen(folder: Callable[[str], Path]) -> Path:
    return folder("qwen2")


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Queries of one word and passages that begin with it, three negatives each."""
    rows = []
    for at, word in enumerate(WORDS):
        others = [WORDS[(at + step) % len(WORDS)] for step in (3, 5, 7)]
        rows.append(
            {"query": word, "pos": [f"{word} {WORDS[-1 - at]} road"], "neg": [f"{x} tree" for x in others]}
        )
    return lines(tmp_path / "words.jsonl", rows)
