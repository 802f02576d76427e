"""Our encoder as LlamaIndex's `BaseEmbedding`: plug it into an index or an ingestion pipeline."""

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

import embedder
from embedder.encoder import Encoder, Vectors
from embedder.pooling import require_dim

BATCH = 512
"""Texts handed over at once, so that the encoder can sort by length; it makes batches of its own."""


class KalmEmbedding(BaseEmbedding):
    """Queries with the model's instruction, texts without. A text that is too long raises TextTooLong.

    What it is made of is part of its serialised form, so that an ingestion cache never mixes the vectors
    of two models, widths or tasks. It holds the model: pipelines run it with `num_workers=None`.
    """

    fingerprint: str
    dim: int
    task: str | None
    _encoder: Encoder = PrivateAttr()

    def __init__(
        self, encoder: Encoder, *, dim: int | None = None, task: str | None = None, **settings: Any
    ) -> None:
        """`dim` and `task` as in `Encoder`; `settings` are BaseEmbedding's. Raises UnknownDim."""
        ours = {
            "fingerprint": encoder.fingerprint,
            "dim": require_dim(dim, encoder.dims, encoder.name),
            "task": task,
        }
        super().__init__(model_name=encoder.name, **{"embed_batch_size": BATCH, **settings, **ours})
        self._encoder = encoder

    @classmethod
    def load(cls, name_or_folder: str, **settings: Any) -> "KalmEmbedding":
        """Load a model; `settings` go to `embedder.load` (device, precision, …) and to this class."""
        ours = {key: settings.pop(key) for key in ("dim", "task", "embed_batch_size") if key in settings}
        return cls(embedder.load(name_or_folder, **settings), **ours)

    @classmethod
    def class_name(cls) -> str:
        return "KalmEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return _lists(self._encoder.encode_queries([query], self.task, self.dim))[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return _lists(self._encoder.encode_documents(texts, self.dim))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def _lists(vectors: Vectors) -> list[list[float]]:
    rows: list[list[float]] = vectors.tolist()
    return rows
