"""A corpus and a shape -> a small bidirectional Qwen2 of random weights with a tokenizer of its own."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model, Qwen3Config, Qwen3Model

from embedder.prompts import KALM
from training.config import ScratchConfig
from training.data import Row, read
from training.export import prompts_of, write_layout
from training.multilingual import PADDING, multilingual

END = "<|endoftext|>"
_TABLE = 0.1
"""Spread of the numbers of a table that `static` is to train: near the root of its norm's epsilon."""
_QWEN = (  # how Qwen2 cuts a text before its BPE: tokenizer.json of Qwen/Qwen2-0.5B
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def scratch(config: ScratchConfig) -> Path:
    """Write the folder; returns it. Raises BadData."""
    torch.manual_seed(config.seed)
    tokenizer = _taken(config.tokenizer) if config.tokenizer else _trained(config)
    settings: dict[str, Any] = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        "intermediate_size": config.inner,
        "max_position_embeddings": config.max_tokens,
        "rms_norm_eps": config.epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.theta},
        "pad_token_id": tokenizer.pad_token_id,
        "use_cache": False,
        "is_causal": config.layers == 0,  # without layers no token sees another
    }
    network: Qwen2Model | Qwen3Model = (
        Qwen2Model(Qwen2Config(**settings))
        if config.reader == "qwen"
        else Qwen3Model(Qwen3Config(head_dim=config.width // config.heads, **settings))
    )
    if config.layers == 0:
        torch.nn.init.normal_(network.embed_tokens.weight, std=_TABLE)
    network.save_pretrained(config.output)
    tokenizer.save_pretrained(config.output)
    write_layout(
        config.output,
        pooling="mean",
        width=config.width,
        max_tokens=config.max_tokens,
        prompts=prompts_of(KALM, ""),
        dims=(config.width, *(dim for dim in config.dims if dim < config.width)),
    )
    return config.output


def _trained(config: ScratchConfig) -> PreTrainedTokenizerFast:
    texts = _texts(list(read(config.data)), config.tokenizer_texts)
    if config.reader == "qwen":
        return _as_qwen(texts, config.vocabulary)
    prompts = [prompt for prompt in prompts_of(KALM, "").values() if prompt]
    tokenizer = multilingual(texts, config.vocabulary, list(dict.fromkeys(prompts)))
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PADDING, unk_token=PADDING
    )


def _as_qwen(texts: Iterator[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE as Qwen's, with its end mark after each text: KaLM pools over it too."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=END, eos_token=END
    )


def _taken(folder: Path) -> PreTrainedTokenizerFast:
    taken = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    assert isinstance(taken, PreTrainedTokenizerFast)
    return taken


def _texts(rows: Sequence[Row], most: int) -> Iterator[str]:
    every = max(1, 2 * len(rows) // most)
    for row in islice(rows, 0, None, every):
        yield row.query
        yield from row.positives[:1]
