"""An encoder that reads many texts once: too long ones are cut, vectors remembered on disk, by weights."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import embedder
from embedder.encoder import Encoder, Vectors

_BLOCK = 4096
"""Texts encoded between two writes to disk."""


class Reader:
    """Queries and documents -> unit vectors of full width. The cache's key is the encoder's fingerprint
    (weights, prompts and all), the role and the texts themselves: a model that was trained further reads
    again."""

    def __init__(self, encoder: Encoder, cache: Path | None = None) -> None:
        self.encoder, self._cache = encoder, cache
        self.dims = encoder.dims

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._read(texts, self.encoder.encode_queries, "query")

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        return self._read(texts, self.encoder.encode_documents, "document")

    def _read(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors], role: str) -> Vectors:
        if self._cache is None:
            return encode([embedder.fit(text, self.encoder)[0] for text in texts])
        digest = hashlib.sha256(f"{self.encoder.fingerprint} {role}".encode())
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        path = self._cache / f"{digest.hexdigest()[:32]}.npy"
        if path.is_file():
            kept: Vectors = np.load(path, mmap_mode="r")
            return kept
        self._cache.mkdir(parents=True, exist_ok=True)
        shape = len(texts), self.encoder.dim
        unfinished = path.with_suffix(".new.npy")
        vectors = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
        for begin in range(0, len(texts), _BLOCK):
            part = [embedder.fit(text, self.encoder)[0] for text in texts[begin : begin + _BLOCK]]
            vectors[begin : begin + len(part)] = encode(part)
        vectors.flush()
        unfinished.rename(path)
        found: Vectors = vectors
        return found
