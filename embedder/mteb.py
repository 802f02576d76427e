"""Our encoder in mteb's benchmarks: `mteb.evaluate(MtebEncoder(encoder), tasks)`; needs the extra `eval`."""

from typing import Any

import torch
from mteb.models import ModelMeta
from mteb.models.model_meta import ScoringFunction
from mteb.similarity_functions import cos_sim, pairwise_cos_sim
from mteb.types import PromptType
from torch import Tensor
from torch.utils.data import DataLoader

from embedder.encoder import Encoder, Vectors
from embedder.fitting import fit
from embedder.pooling import require_dim

_TASKS = {
    "Retrieval": "retrieval",
    "Reranking": "retrieval",
    "InstructionRetrieval": "retrieval",
    "InstructionReranking": "retrieval",
    "STS": "sts",
    "PairClassification": "sts",
    "BitextMining": "sts",
    "Summarization": "summaries",
    "Classification": "classification",
    "MultilabelClassification": "classification",
    "Clustering": "clustering",
}
"""mteb's kind of task -> ours (`prompts.TASKS`)."""


class MtebEncoder:
    """What mteb calls an encoder.

    Documents are those mteb calls so; every other text is encoded as a query, with the instruction of its
    kind of task, as KaLM's authors evaluate. Texts that are too long are cut, as is mteb's custom: `dropped`
    counts the tokens.
    """

    def __init__(self, encoder: Encoder, *, dim: int | None = None) -> None:
        """Raises UnknownDim."""
        self._encoder = encoder
        self._dim = require_dim(dim, encoder.dims, encoder.name)
        self.dropped = 0
        card = encoder.card
        self.mteb_model_meta = ModelMeta(
            loader=None,
            name=f"kalm-rag/{encoder.name}-{self._dim}",
            revision=encoder.fingerprint,
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=card.max_tokens,
            embed_dim=self._dim,
            license=None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=bool(card.instruction),
            training_datasets=None,
        )

    def encode(
        self, inputs: DataLoader[Any], *, task_metadata: Any, prompt_type: PromptType | None = None, **_: Any
    ) -> Vectors:
        """Unit vectors, (texts, dim), in mteb's order."""
        texts = [self._cut(text) for batch in inputs for text in batch["text"]]
        if prompt_type == PromptType.document:
            return self._encoder.encode_documents(texts, self._dim)
        return self._encoder.encode_queries(texts, _TASKS.get(task_metadata.type), self._dim)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        return torch.as_tensor(cos_sim(embeddings1, embeddings2))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        return torch.as_tensor(pairwise_cos_sim(embeddings1, embeddings2))

    def _cut(self, text: str) -> str:
        text, dropped = fit(text, self._encoder)
        self.dropped += dropped
        return text
