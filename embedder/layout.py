"""What a model's own folder says about itself: sentence-transformers' files, read and checked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from embedder.catalog import Entry
from embedder.encoder import Pooling
from embedder.errors import ModelNotFound, UnsupportedModel

_POOLING: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
_OLD_POOLING = {  # sentence-transformers before 6 wrote a flag per mode
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a folder's weights are to be run."""

    folder: Path
    """Of weights, config and tokenizer."""
    config: dict[str, Any]
    """config.json, as it is."""
    pooling: Pooling
    query_prompt: str | None
    """From the folder's own prompts; None if it has none for queries."""
    document_prompt: str
    max_tokens: int | None
    dims: tuple[int, ...]
    """Matryoshka widths the folder declares; empty if it does not."""


def read_layout(folder: Path, entry: Entry | None) -> Layout:
    """Read a folder. Raises ModelNotFound if it holds no model, UnsupportedModel if it asks for
    what we did not validate: other pooling, more modules, pickled weights."""
    if not (folder / "config.json").is_file():
        raise ModelNotFound(f"{folder} holds no model: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise UnsupportedModel(
            f"{folder} has no .safetensors: pickled weights can run code and are never loaded; "
            "save the model with safe_serialization=True"
        )
    settings = _json(folder / "config_sentence_transformers.json")
    prompts = settings.get("prompts") or {}
    tokens = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    return Layout(
        folder=folder,
        config=_json(folder / "config.json"),
        pooling=_pooling(folder, entry),
        query_prompt=prompts.get("query"),
        document_prompt=prompts.get("document") or prompts.get("passage") or "",
        max_tokens=tokens,
        dims=tuple(settings.get("matryoshka_dims") or ()),
    )


def _pooling(folder: Path, entry: Entry | None) -> Pooling:
    modules = _json(folder / "modules.json", empty=[])
    if not modules:
        if entry is None:
            raise UnsupportedModel(f"{folder} has no modules.json, which says how its tokens are pooled")
        return entry.pooling
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UnsupportedModel(
            f"{folder}: modules {', '.join(kinds)}; supported: Transformer, Pooling, Normalize"
        )
    config = _json(folder / modules[1]["path"] / "config.json")
    modes = config.get("pooling_mode") or [mode for flag, mode in _OLD_POOLING.items() if config.get(flag)]
    mode = modes if isinstance(modes, str) else "+".join(modes)
    if mode not in _POOLING or config.get("include_prompt") is False:
        raise UnsupportedModel(
            f"{folder}: pooling {mode or 'of no kind'!r}; "
            f"supported: {', '.join(get_args(Pooling))}, over the prompt too"
        )
    return _POOLING[mode]


def _json(path: Path, empty: Any = None) -> Any:
    return json.loads(path.read_text()) if path.is_file() else (empty if empty is not None else {})
