"""An encoder without a model: hashed bags of words. Deterministic, instant, and its ranking is real.

Each word is a random direction; a text is the sum of its words' directions. So texts that share words
are near, texts that don't are at about 0, and a prefix of the vector keeps that, as Matryoshka's does.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from embedder.encoder import Floor, ModelCard, Vectors
from embedder.errors import EmptySpan, TextTooLong
from embedder.pooling import normalise, require_dim, truncate

_APART = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: scripts that don't set words apart."""
_TOKEN = re.compile(rf"[{_APART}]|(?:(?![{_APART}])[\w\u0900-\u0963\u0966-\u0dff])+")
"""A character of those scripts, or a word; the vowel signs of India's scripts are no `\\w`."""


class FakeEncoder:
    """For tests and demonstrations without weights; queries and documents are treated alike."""

    dims: tuple[int, ...] = (256, 128, 64)
    fingerprint = "fake-2"
    device = "cpu, no model"
    card = ModelCard(
        name="fake",
        languages="any, by shared words only (a stand-in for tests)",
        language_codes=(),
        licence="Apache-2.0",
        pooling="mean",
        causal=False,
        instruction="",
        floor=Floor(0.2),  # by chance two texts of few words stay below: 3 / sqrt(256)
        support=(0.4, 0.7),  # of shared words
        window=512,
        max_tokens=512,
    )
    batch_tokens = 4096
    room = 512

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def dim(self) -> int:
        return self.dims[0]

    def encode_queries(
        self, texts: Sequence[str], task: str | None = None, dim: int | None = None
    ) -> Vectors:
        return self.encode_documents(texts, dim)

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        dim = require_dim(dim, self.dims, self.name)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._encode(text)
        return truncate(vectors, dim)

    def encode_spans(self, text: str, spans: Sequence[tuple[int, int]], dim: int | None = None) -> Vectors:
        parts = [text[begin:end] for begin, end in spans]
        for part, (begin, end) in zip(parts, spans, strict=True):
            if not _TOKEN.search(part):
                raise EmptySpan(f"span {begin}:{end} holds no token")
        return self.encode_documents(parts, dim)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _TOKEN.finditer(text)]

    def _encode(self, text: str) -> Vectors:
        words = _TOKEN.findall(text.casefold())
        if len(words) > self.card.max_tokens:
            raise TextTooLong(f"{len(words)} tokens, fake takes {self.card.max_tokens}")
        total = sum((_direction(word) for word in words or ["nothing"]), np.zeros(self.dim, np.float32))
        unit: Vectors = normalise(total[None])[0]
        return unit


@lru_cache(maxsize=100_000)
def _direction(word: str) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(FakeEncoder.dims[0], dtype=np.float32)
