"""The encoder: tokenise, batch, run, pool, normalise, truncate."""

import hashlib
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedConfig

from embedder.batching import plan
from embedder.catalog import CATALOG, Entry, name_of
from embedder.device import choose
from embedder.encoder import ModelCard, Vectors
from embedder.errors import TextTooLong, UnsupportedModel, WrongWeights
from embedder.layout import Layout, read_layout
from embedder.locate import file_sha256
from embedder.model import first_position, load_model
from embedder.pooling import normalise, pool, require_dim, truncate
from embedder.probe import probe
from embedder.prompts import instruction_for, query_prefix
from embedder.spans import inside, token_ranges, windows
from embedder.tokens import clean, load_tokenizer, spans_of, specials

CPU_BATCH_TOKENS = (512, 4096)
"""Fewest and most tokens of a forward pass on a CPU. From the fewest on KaLM-0.5B runs at full speed
(2 cores, bf16: 256 tokens 87 %, 512 to 4,096 all within 3 %): what counts is how long a query waits."""
_CPU_BATCH_WORK = 1.2e11
"""Tokens x weights of a batch on a CPU: a quarter of a second on 2 cores."""
GPU_BATCH_TOKENS = 16_384
"""What it takes to fill one."""


class KalmEncoder:
    """A model of the KaLM family, or any folder of sentence-transformers that `model.py` supports.

    Safe to call from several threads. NUL and lone surrogates become U+FFFD before a text is tokenised;
    an empty text is the vector of the model's special tokens alone, or of padding if it has none.
    """

    def __init__(
        self,
        folder: Path,
        entry: Entry | None,
        device: str = "auto",
        precision: str = "auto",
        *,
        threads: int | None = None,
    ) -> None:
        """Load and probe a folder. Raises EncoderError."""
        if threads is not None:
            torch.set_num_threads(threads)
        layout = read_layout(folder, entry)
        self._tokenizer = load_tokenizer(layout)
        self._model = load_model(layout, entry, choose(device, precision))
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
        self._template = entry.query_template if entry else layout.query_template
        self._instructable = bool(entry.instruction) if entry else "{instruction}" in self._template
        self._prompts = {} if entry else layout.prompts
        self._query_prefix = query_prefix(self._template, entry.instruction) if entry else layout.query_prompt
        self._document_prefix = entry.document_prefix if entry else layout.document_prompt
        self.batch_tokens = GPU_BATCH_TOKENS
        if self._model.device.name == "cpu":
            work = _CPU_BATCH_WORK / (12 * max(1, config.num_hidden_layers) * width**2)
            self.batch_tokens = int(min(max(work, CPU_BATCH_TOKENS[0]), CPU_BATCH_TOKENS[1]))
        prefixes = (self._query_prefix, self._document_prefix)
        self.room = self.card.max_tokens - max(len(self._tokenizer.encode(text).ids) for text in prefixes)
        self.fingerprint = _fingerprint(layout, self.card, self._query_prefix, self._document_prefix)
        self.device = self._model.device.description
        probe(self._model, self._tokenizer.encode("Does the first word see the last one?").ids, self.name)

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def dim(self) -> int:
        return self.dims[0]

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        """Encode questions, with the model's instruction or with that for `task` (the folder's own prompt of
        that name, `prompts.TASKS`, or its own words) in its place. A model that was trained without
        instructions gets none."""
        prefix = self._query_prefix
        if task in self._prompts:
            prefix = self._prompts[task]
        elif task is not None and self._instructable:
            prefix = query_prefix(self._template, instruction_for(task))
        return self._encode([prefix + text for text in texts], dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        """Encode passages as they are."""
        return self._encode([self._document_prefix + text for text in texts], dim)

    def encode_spans(self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None) -> Vectors:
        """Pool parts of a text that was read as a whole; in windows of `max_tokens` if it is longer."""
        dim = require_dim(dim, self.dims, self.name)
        if self.card.pooling == "cls":
            raise UnsupportedModel(f"{self.name} describes a text by its first token; its parts have none")
        if not spans:
            return np.zeros((0, dim), np.float32)
        skip = len(self._document_prefix)
        encoding = self._tokenizer.encode(self._document_prefix + clean(text), add_special_tokens=False)
        prompt = sum(end <= skip for _, end in encoding.offsets)  # tokens
        before, after = specials(self._tokenizer)
        before, tokens = [*before, *encoding.ids[:prompt]], encoding.ids[prompt:]
        ranges = token_ranges([(begin - skip, end - skip) for begin, end in encoding.offsets[prompt:]], spans)
        sums = torch.zeros(len(spans), self.dim)
        for window in windows(len(tokens), self.card.max_tokens - len(before) - len(after)):
            hidden = self._model.run([[*before, *tokens[window.begin : window.end], *after]])
            for row, begin, end in inside(ranges, window, len(tokens), len(before), len(after)):
                part = pool(hidden, [(begin, end)], self.card.pooling)[0].cpu()
                if self.card.pooling == "last":
                    sums[row] = part
                else:
                    sums[row] += part * (end - begin)  # the length of the sum is of no account
        return truncate(normalise(sums.numpy()), dim)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, in characters of `text`, without special tokens."""
        return spans_of(self._tokenizer, text)

    def _encode(self, texts: Sequence[str], dim: int | None) -> Vectors:
        dim = require_dim(dim, self.dims, self.name)
        distinct = list(dict.fromkeys(texts))  # a text that comes twice is run once
        encodings = self._tokenizer.encode_batch([clean(text) for text in distinct])
        tokens = [encoding.ids or [self._padding_id] for encoding in encodings]
        for text, ids in zip(distinct, tokens, strict=True):
            if len(ids) > self.card.max_tokens:
                raise TextTooLong(
                    f"{len(ids)} tokens, {self.name} takes {self.card.max_tokens}: "
                    f"split the text that begins {text[:60]!r}"
                )
        vectors = np.zeros((len(distinct), self.dim), np.float32)
        for positions in plan([len(ids) for ids in tokens], self.batch_tokens):
            batch = [tokens[at] for at in positions]
            ends = list(accumulate(len(ids) for ids in batch))
            pooled = pool(self._model.run(batch), list(pairwise([0, *ends])), self.card.pooling)
            vectors[positions] = pooled.cpu().numpy()
        row = {text: at for at, text in enumerate(distinct)}
        return truncate(normalise(vectors), dim)[[row[text] for text in texts]]


def _card(
    folder: Path, layout: Layout, entry: Entry | None, causal: bool, config: PreTrainedConfig
) -> ModelCard:
    positions = config.max_position_embeddings - first_position(config)
    most = min(layout.max_tokens or positions, positions)
    known = entry or CATALOG.get(layout.base)  # what training leaves as it was; cosines it moves
    return ModelCard(
        name=name_of(entry) if entry else folder.resolve().name,
        languages=known.languages if known else "not stated",
        language_codes=known.language_codes if known else (),
        licence=entry.licence if entry else "not stated",
        pooling=layout.pooling,
        causal=causal,
        instruction=entry.instruction if entry else "",
        floor=entry.floor if entry else None,
        support=entry.support if entry else None,
        worth=known.worth if known else 0.7,
        crosses=known.crosses if known else 0.85,
        window=min(known.window, most) if known else most,
        max_tokens=entry.max_tokens if entry else most,
    )


_SAYS_WHO_SAVED_IT = frozenset({"_name_or_path", "transformers_version"})


def _fingerprint(layout: Layout, card: ModelCard, query: str, document: str) -> str:
    """sha256 over all that decides a vector, save the device and its precision: those move it by less than
    two models differ, and a collection must outlive a change of machine."""
    names = [*layout.folder.glob("*.safetensors"), layout.folder / "tokenizer.json"]
    files = {path.name: file_sha256(path) for path in sorted(names)}
    config = {key: value for key, value in layout.config.items() if key not in _SAYS_WHO_SAVED_IT}
    settings = [card.pooling, card.causal, card.max_tokens, query, document, layout.lower_case]
    return hashlib.sha256(json.dumps([files, config, settings], sort_keys=True).encode()).hexdigest()
