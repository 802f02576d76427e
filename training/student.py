"""The model in training: texts -> token ids -> vectors with gradients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from embedder.batching import plan
from embedder.catalog import Entry
from embedder.device import Device, choose
from embedder.encoder import Pooling, Vectors
from embedder.layout import Layout, read_layout
from embedder.locate import locate
from embedder.model import DECODERS, ENCODERS, Model, first_position, load_stock
from embedder.pooling import normalise, truncate
from embedder.prompts import TASKS, query_prefix
from embedder.tokens import clean, load_tokenizer, specials
from training import cpu, lora
from training.arena import Arena
from training.attention import TRAINED
from training.config import TrainConfig


class Student:
    """A model whose weights change. Its parameters are in `arena`, which the optimizer works on."""

    def __init__(self, config: TrainConfig, *, allow_download: bool = False) -> None:
        """Load `config.model`. Raises EncoderError."""
        self.entry, folder = locate(config.model, allow_download=allow_download)
        self.layout: Layout = read_layout(folder, self.entry)
        self.device: Device = choose(config.device, config.precision)
        self.low = torch.bfloat16 if self.device.precision == "bf16" else torch.float32
        self._model = _load(self.layout, self.entry, self.device, config)
        self.network = self._model.network
        self.pooling: Pooling = self.layout.pooling
        self.width: int = self.network.config.hidden_size
        self.dims, self.dim_weights = config.widths(self.width)
        self.tokenizer: Tokenizer = load_tokenizer(self.layout)
        self._specials = specials(self.tokenizer)
        positions = self.network.config.max_position_embeddings - first_position(self.network.config)
        self.max_tokens = min(self.layout.max_tokens or positions, positions)
        """What the base takes; texts to learn from may be cut shorter."""
        self.query_tokens = min(config.query_tokens, positions)
        self.passage_tokens = min(config.passage_tokens, positions)
        self.template, self.document_prefix = (
            _prompts(self.layout, self.entry) if config.instructions else ("", "")
        )
        self.query_prompt = query_prefix(self.template, TASKS["retrieval"])
        if config.freeze_embeddings:
            self.network.get_input_embeddings().requires_grad_(False)
        if config.lora:
            lora.add(self.network, config.lora, config.lora_alpha)
        self.batch_tokens = config.batch_tokens
        self.arena = Arena(self.network, self.low)
        self._by_hand = self._model.packs and cpu.supports(self.network, self.arena)

    def tokenise(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Ids of texts, the special ones included, cut to `max_tokens`."""
        before, after = self._specials
        room = max_tokens - len(before) - len(after)
        encodings = self.tokenizer.encode_batch_fast(
            [clean(text) for text in texts], add_special_tokens=False
        )
        padding = self.network.config.pad_token_id or 0
        return [[*before, *encoding.ids[:room], *after] or [padding] for encoding in encodings]

    def vectors(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """One vector per sequence of ids, in their order: (n, dim), not normalised, in fp32 or wider."""
        lengths = [len(ids) for ids in sequences]
        if self._by_hand:
            tokens = torch.from_numpy(np.concatenate([np.asarray(ids, np.int64) for ids in sequences]))
            hidden = cpu.states(self.network, self.arena, tokens, lengths)
        else:
            with torch.autocast(self.device.name, self.low, enabled=self.low == torch.bfloat16):
                hidden = self._model.states(sequences)
        return _pool(hidden, lengths, self.pooling)

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        """As an Encoder would, with the weights of this moment."""
        prompt = self.query_prompt if task is None else query_prefix(self.template, TASKS.get(task, task))
        return self._encode([prompt + text for text in texts], self.query_tokens, dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        return self._encode([self.document_prefix + text for text in texts], self.passage_tokens, dim)

    def _encode(self, texts: Sequence[str], max_tokens: int, dim: int | None) -> Vectors:
        sequences = self.tokenise(texts, max_tokens)
        vectors = np.zeros((len(texts), self.width), np.float32)
        with torch.no_grad(), self.still():
            for positions in plan([len(ids) for ids in sequences], self.batch_tokens):
                found = self.vectors([sequences[at] for at in positions])
                vectors[positions] = found.float().cpu().numpy()
        return truncate(normalise(vectors), dim or self.width)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Without dropout."""
        training = self.network.training
        self.network.eval()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            self.network.train(training)


def _load(layout: Layout, entry: Entry | None, device: Device, config: TrainConfig) -> Model:
    """Weights in fp32, whatever they were saved in."""
    kind = layout.config.get("model_type")
    causal = None if kind in ENCODERS else not config.bidirectional
    if kind not in ENCODERS | DECODERS:
        causal = None
    model = load_stock(layout, entry, Device(device.name, "fp32"), causal=causal)
    if model.packs:
        model.network.config._attn_implementation = TRAINED
    model.network.train()
    return model


def _prompts(layout: Layout, entry: Entry | None) -> tuple[str, str]:
    """(template of a query's prompt, document's prompt) of a base model."""
    if entry is not None:
        return (
            entry.query_template if entry.query_template != "{instruction}" else entry.instruction,
            entry.document_prefix,
        )
    return layout.query_template, layout.document_prompt


def _pool(hidden: Tensor, lengths: Sequence[int], how: Pooling) -> Tensor:
    """hidden: (tokens, dim), of sequences of `lengths` tokens -> (sequences, dim)."""
    hidden = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    ends = torch.tensor(lengths).cumsum(0)
    if how == "cls":
        return hidden[(ends - torch.tensor(lengths)).to(hidden.device)]
    if how == "last":
        return hidden[(ends - 1).to(hidden.device)]
    counts = torch.tensor(lengths, device=hidden.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), counts)
    sums = hidden.new_zeros(len(lengths), hidden.shape[1]).index_add(0, owner, hidden)
    return sums / counts.unsqueeze(1)
