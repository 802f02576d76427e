"""Small random models of real architectures, saved as sentence-transformers saves them."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    Gemma3TextConfig,
    Gemma3TextModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from embedder.encoder import Vectors

TEXTS = [
    "The battery wants a cool and dry place.",
    "Der Akku mag es kühl und trocken.",
    "电池要放在阴凉干燥的地方。",
    "a",
    "one two three " * 30,
    "Ünïcödé with ✓ signs, numbers 3.5 and 12:30.",
]

SHORT = [text for text in TEXTS if len(text) < 200]
"""Those that fit into 128 tokens."""
SAME = 0.99999
"""Cosine from which two vectors count as equal."""

_VOCABULARY = 400
_WIDTH = 32
_SMALL: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": _VOCABULARY,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
_GEMMA_LAYERS = ["sliding_attention", "full_attention"]
_DECODER = {**_SMALL, "num_key_value_heads": 2, "head_dim": 16}

ARCHITECTURES: dict[str, Callable[[dict[str, Any]], torch.nn.Module]] = {
    "bert": lambda shape: BertModel(BertConfig(**{**_SMALL, **shape})),
    "distilbert": lambda shape: DistilBertModel(DistilBertConfig(**{**_SMALL, **shape})),
    "mpnet": lambda shape: MPNetModel(MPNetConfig(**{**_SMALL, **shape})),
    "roberta": lambda shape: RobertaModel(RobertaConfig(**{**_SMALL, **shape})),
    "xlm-roberta": lambda shape: XLMRobertaModel(XLMRobertaConfig(**{**_SMALL, **shape})),
    "qwen2": lambda shape: Qwen2Model(Qwen2Config(**{**_DECODER, **shape})),
    "gemma3_text": lambda shape: Gemma3TextModel(
        Gemma3TextConfig(**{**_DECODER, **shape, "sliding_window": 8, "layer_types": _GEMMA_LAYERS})
    ),
    "qwen3": lambda shape: Qwen3Model(Qwen3Config(**{**_DECODER, **shape})),
}


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return run.stdout.strip()


def cosines(a: Vectors, b: Vectors) -> Vectors:
    """Row by row; neither side need be normalised."""
    unit_a, unit_b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    cosines: Vectors = (unit_a * unit_b).sum(axis=1)
    return cosines


Save = Callable[..., Path]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """One for all: training it twice may break ties differently."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=_VOCABULARY, special_tokens=specials)
    made.train_from_iterator(TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves a random model of an architecture: `save("qwen2", pooling="lasttoken", config={...})`."""

    def save_it(
        architecture: str,
        *,
        pooling: str = "mean",
        config: dict[str, Any] | None = None,
        name: str = "model",
        width: int = _WIDTH,
        layers: int = 2,
        normalised: bool = True,
    ) -> Path:
        torch.manual_seed(0)
        folder = tmp_path / name
        ARCHITECTURES[architecture]({"hidden_size": width, "num_hidden_layers": layers}).save_pretrained(
            folder
        )
        tokenizer().save_pretrained(folder)
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **(config or {})}))
        kinds = ["models.Transformer", "models.Pooling", "models.Normalize"]
        modules = [
            {"idx": at, "name": str(at), "path": sub, "type": f"sentence_transformers.{kind}"}
            for at, (kind, sub) in enumerate(zip(kinds, ["", "1_Pooling", "2_Normalize"], strict=True))
        ]
        (folder / "modules.json").write_text(json.dumps(modules if normalised else modules[:2]))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(
            json.dumps({"embedding_dimension": width, "pooling_mode": pooling})
        )
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
        return folder

    return save_it
