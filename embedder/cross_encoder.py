"""A folder -> a model that reads query and passage together and gives one score: a `Reranker` run here."""

import threading
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from embedder.device import choose
from embedder.errors import BrokenModel, UnsupportedModel

BATCH_TEXTS = 16
MOST_TOKENS = 512
"""Of query and passage together, unless the model takes fewer: what cross-encoders were trained with."""


class CrossEncoder:
    """A model folder of this machine, as sentence-transformers' CrossEncoder reads it; safetensors only."""

    def __init__(self, folder: Path, depth: int, device: str = "auto") -> None:
        """Raises BrokenModel for what can't be loaded, UnsupportedModel for what gives no single score."""
        if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
            raise BrokenModel(
                f"{folder}: a reranker is a folder with config.json, a tokenizer and *.safetensors, "
                "or the URL of a server"
            )
        self.name, self.depth = folder.name, depth
        self._device = choose(device, "fp32").name
        self._lock = threading.Lock()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise BrokenModel(f"{folder} can't be loaded as a reranker ({error})") from error
        if model.config.num_labels != 1:
            raise UnsupportedModel(f"{folder} gives {model.config.num_labels} scores; a reranker gives one")
        self._model = model.to(self._device).eval()
        longest = getattr(model.config, "max_position_embeddings", MOST_TOKENS)
        self._max_tokens = min(MOST_TOKENS, longest, self._tokenizer.model_max_length)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # less padding
        scores = [0.0] * len(texts)
        with self._lock, torch.inference_mode():
            for begin in range(0, len(order), BATCH_TEXTS):
                batch = order[begin : begin + BATCH_TEXTS]
                for at, score in zip(batch, self._batch(query, [texts[at] for at in batch]), strict=True):
                    scores[at] = score
        return scores

    def _batch(self, query: str, texts: list[str]) -> list[float]:
        inputs = self._tokenizer(
            [query] * len(texts),
            texts,
            padding=True,
            truncation=True,  # the longer of the two first
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device)
        logits = self._model(**inputs).logits.squeeze(-1)  # (texts,)
        found: list[float] = torch.sigmoid(logits.float()).tolist()
        return found
