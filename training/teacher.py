"""A larger model's vectors of a batch: what its student is to rank like."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

import embedder
from embedder.device import Device
from embedder.encoder import Encoder, Vectors
from training.batches import Group
from training.objective import passages_of


class Teacher:
    """Reads texts with prompts of its own. What it has read it remembers, in fp16: 2 KB for 1,024 dims."""

    def __init__(self, model: str, device: Device) -> None:
        """Load a catalog name or folder. Raises EncoderError."""
        self._encoder: Encoder = embedder.load(model, device.name)
        self._device = device.name
        self._known: dict[tuple[bool, str], np.ndarray[tuple[int], np.dtype[np.float16]]] = {}

    def judge(self, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Its vectors of the queries, and of the passages in the order of `Labels`."""
        queries = self._vectors([group.plain[0] for group in groups], queries=True)
        return queries, self._vectors(passages_of(groups, plain=True), queries=False)

    def _vectors(self, texts: Sequence[str], *, queries: bool) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if (queries, text) not in self._known]
        if new:
            cut = [embedder.fit(text, self._encoder)[0] for text in new]
            encode = self._encoder.encode_queries if queries else self._encoder.encode_documents
            found: Vectors = encode(cut)
            for text, vector in zip(new, found.astype(np.float16), strict=True):
                self._known[queries, text] = vector
        stacked = np.stack([self._known[queries, text] for text in texts]).astype(np.float32)
        return torch.from_numpy(stacked).to(self._device)
