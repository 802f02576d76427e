"""The encoder: tokenise, batch, run, pool, normalise, truncate."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as Normalizers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedConfig

from embedder.batching import plan
from embedder.catalog import Entry, name_of
from embedder.device import choose
from embedder.encoder import ModelCard, Vectors
from embedder.errors import BrokenModel, TextTooLong, WrongWeights
from embedder.layout import Layout, read_layout
from embedder.locate import file_sha256
from embedder.model import load_model
from embedder.pooling import normalise, pool, require_dim, truncate
from embedder.prompts import query_prefix

BATCH_TOKENS = 4096
"""Padded tokens in a forward pass; 256 to 1,024 are as fast for KaLM's size, small models want more."""
_SAME = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""Largest difference, relative, that padding may make to token states. In KaLM's shape rounding makes
1e-6 and 0.02, padding that leaks 1.3."""
_MOVED = 1e-6
"""Smallest change of the first token's state that shows it has seen the last."""


class KalmEncoder:
    """A model of the KaLM family, or any folder of sentence-transformers that `model.py` supports.

    Safe to call from several threads. NUL and lone surrogates become U+FFFD before a text is tokenised;
    an empty text is the vector of the model's special tokens alone, or of padding if it has none.
    """

    def __init__(
        self, folder: Path, entry: Entry | None, device: str = "auto", *, threads: int | None = None
    ) -> None:
        """Load and probe a folder. Raises EncoderError."""
        if threads is not None:
            torch.set_num_threads(threads)
        layout = read_layout(folder, entry)
        self._tokenizer = _tokenizer(layout)
        self._model = load_model(layout, entry, choose(device))
        config = self._model.network.config
        width: int = config.hidden_size
        self._padding_id: int = config.pad_token_id or 0
        self.dims: tuple[int, ...] = (entry.dims if entry else layout.dims) or (width,)
        if self.dims[0] != width:
            known = name_of(entry) if entry else "its configuration"
            raise WrongWeights(
                f"{folder} gives vectors of {width}, {known} has {self.dims[0]}: "
                "rename the folder if it is another model"
            )
        self.card = _card(folder, layout, entry, self._model.causal, config)
        self._query_prefix = query_prefix(entry.instruction) if entry else layout.query_prompt
        self._document_prefix = layout.document_prompt
        self.batch_tokens = BATCH_TOKENS
        prefixes = (self._query_prefix, self._document_prefix)
        self.room = self.card.max_tokens - max(len(self._tokenizer.encode(text).ids) for text in prefixes)
        self.fingerprint = _fingerprint(layout, self.card, self._query_prefix)
        self.device = self._model.device.description
        self._probe()

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def dim(self) -> int:
        return self.dims[0]

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        """Encode questions, with the model's instruction or with `task` in its place."""
        prefix = self._query_prefix
        if task is not None and self.card.instruction:
            prefix = query_prefix(task)
        return self._encode([prefix + text for text in texts], dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        """Encode passages as they are."""
        return self._encode([self._document_prefix + text for text in texts], dim)

    def encode_spans(
        self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None
    ) -> Vectors:
        raise NotImplementedError

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, in characters of `text`, without special tokens."""
        offsets: list[tuple[int, int]] = self._tokenizer.encode(
            _clean(text), add_special_tokens=False
        ).offsets
        return offsets

    def _encode(self, texts: Sequence[str], dim: int | None) -> Vectors:
        dim = require_dim(dim, self.dims, self.name)
        distinct = list(dict.fromkeys(texts))  # a text that comes twice is run once
        encodings = self._tokenizer.encode_batch([_clean(text) for text in distinct])
        tokens = [encoding.ids or [self._padding_id] for encoding in encodings]
        for text, ids in zip(distinct, tokens, strict=True):
            if len(ids) > self.card.max_tokens:
                raise TextTooLong(
                    f"{len(ids)} tokens, {self.name} takes {self.card.max_tokens}: "
                    f"split the text that begins {text[:60]!r}"
                )
        vectors = np.zeros((len(distinct), self.dim), np.float32)
        for positions in plan([len(ids) for ids in tokens], BATCH_TOKENS):
            batch, mask = self._pad([tokens[at] for at in positions])
            pooled = pool(self._model.run(batch, mask), mask.to(self._model.device.name), self.card.pooling)
            vectors[positions] = pooled.float().cpu().numpy()
        row = {text: at for at, text in enumerate(distinct)}
        return truncate(normalise(vectors), dim)[[row[text] for text in texts]]

    def _pad(self, tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask, both (batch, longest), padded on the right."""
        longest = max(1, *(len(ids) for ids in tokens))
        batch = torch.full((len(tokens), longest), self._padding_id, dtype=torch.long)
        mask = torch.zeros((len(tokens), longest), dtype=torch.long)
        for row, ids in enumerate(tokens):
            batch[row, : len(ids)] = torch.tensor(ids)
            mask[row, : len(ids)] = 1
        return batch, mask

    def _probe(self) -> None:
        """Warm up, and refuse a model that would give wrong vectors.

        Padding must not change a vector, and the last token must reach the first one's state, or not,
        as the model was trained. Raises BrokenModel.
        """
        text = list(self._tokenizer.encode("Does the first word see the last one?").ids)
        changed = [*text[:-1], text[-1] + 1 if text[-1] == text[0] else text[0]]
        alone = self._model.run(*self._pad([text]))[0].float()  # (tokens, dim)
        beside = self._model.run(*self._pad([[*text, *text], text]))[1, : len(text)].float()
        if not alone.isfinite().all():
            raise BrokenModel(f"{self.name} gives numbers that are not finite; its weights are damaged")
        if (alone - beside).norm() > _SAME[self._model.device.dtype] * alone.norm():
            raise BrokenModel(f"{self.name}: padding changes its vectors; its attention mask is not applied")
        moved = (self._model.run(*self._pad([changed]))[0, 0].float() - alone[0]).abs().max() > _MOVED
        if bool(moved) == self._model.causal:
            seen = "sees" if moved else "does not see"
            trained = "causal" if self._model.causal else "bidirectional"
            raise BrokenModel(f"{self.name} is {trained}, but its first token {seen} the last one")


_UNREADABLE = re.compile("[\0\ud800-\udfff]")


def _clean(text: str) -> str:
    """Without what a tokenizer chokes on; every character keeps its place."""
    return _UNREADABLE.sub("\ufffd", text)


def _tokenizer(layout: Layout) -> Tokenizer:
    """The folder's tokenizer, which neither pads nor cuts and is never changed: threads share it."""
    try:  # not tokenizer.json alone: transformers 5 puts some of its own over what Qwen's says
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(
            layout.folder, local_files_only=True, trust_remote_code=False
        ).backend_tokenizer
    except Exception as error:  # the tokenizers library raises nothing more exact
        raise BrokenModel(f"{layout.folder / 'tokenizer.json'} can't be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if layout.lower_case:
        own = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = Normalizers([Lowercase(), *own])
    return tokenizer


def _card(
    folder: Path, layout: Layout, entry: Entry | None, causal: bool, config: PreTrainedConfig
) -> ModelCard:
    positions = _positions(config)
    return ModelCard(
        name=name_of(entry) if entry else folder.resolve().name,
        languages=entry.languages if entry else "not stated",
        language_codes=entry.language_codes if entry else (),
        licence=entry.licence if entry else "not stated",
        pooling=layout.pooling,
        causal=causal,
        instruction=entry.instruction if entry else "",
        floor=entry.floor if entry else None,
        window=entry.window if entry else min(layout.max_tokens or positions, positions),
        max_tokens=entry.max_tokens if entry else min(layout.max_tokens or positions, positions),
    )


def _positions(config: PreTrainedConfig) -> int:
    """How many tokens have a place. RoBERTa and its heirs begin to count after the padding's id."""
    positions: int = config.max_position_embeddings
    if config.model_type == "mpnet":
        return positions - 2  # its padding id is fixed at 1
    if config.model_type in {"roberta", "xlm-roberta"}:
        padding_id: int = config.pad_token_id
        return positions - padding_id - 1
    return positions


_SAYS_WHO_SAVED_IT = frozenset({"_name_or_path", "transformers_version"})


def _fingerprint(layout: Layout, card: ModelCard, query: str) -> str:
    """sha256 over all that decides a vector."""
    names = [*layout.folder.glob("*.safetensors"), layout.folder / "tokenizer.json"]
    files = {path.name: file_sha256(path) for path in sorted(names)}
    config = {key: value for key, value in layout.config.items() if key not in _SAYS_WHO_SAVED_IT}
    settings = [card.pooling, card.causal, card.max_tokens, query, layout.document_prompt, layout.lower_case]
    return hashlib.sha256(json.dumps([files, config, settings], sort_keys=True).encode()).hexdigest()
