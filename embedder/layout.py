"""What a model's own folder says about itself: sentence-transformers' files, read and checked."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from embedder.catalog import Entry
from embedder.encoder import Pooling
from embedder.errors import BrokenModel, ModelNotFound, UnsupportedModel
from embedder.prompts import KALM

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
    query_prompt: str
    """The folder's own, like `document_prompt`; empty if it has none."""
    document_prompt: str
    lower_case: bool
    """Texts are lowercased before the tokenizer sees them."""
    max_tokens: int | None
    dims: tuple[int, ...]
    """Matryoshka widths the folder declares; empty if it does not."""
    prompts: dict[str, str]
    """All of the folder's, by name: of roles and of tasks."""
    base: str
    """The catalog's name of the model it was trained from; empty if the folder does not say."""

    @property
    def query_template(self) -> str:
        """KaLM's, if the folder's query prompt is that with an instruction in it; else the prompt itself."""
        first, last = KALM.split("{instruction}")
        kalm = self.query_prompt.startswith(first) and self.query_prompt.endswith(last)
        return KALM if kalm else self.query_prompt


def read_layout(folder: Path, entry: Entry | None) -> Layout:
    """Read a folder. Raises ModelNotFound if it holds no model, BrokenModel for a file that is no
    JSON, UnsupportedModel if it asks for what we did not validate."""
    modules = _modules(folder)
    weights = folder / modules[0].get("path", "") if modules else folder
    if not (weights / "config.json").is_file():
        raise ModelNotFound(f"{folder} holds no model: it has no config.json")
    config = _json(weights / "config.json")
    _refuse_what_is_not_plain(weights, config)
    settings = _json(folder / "config_sentence_transformers.json")
    similarity = settings.get("similarity_fn_name") or "cosine"
    if similarity != "cosine" and len(modules) < 3:  # of unit vectors all of them rank alike
        raise UnsupportedModel(
            f"{folder} compares by {similarity!r} of vectors that are not normalised; supported: cosine"
        )
    tokenization = _json(weights / "sentence_bert_config.json")
    return Layout(
        folder=weights,
        config=config,
        pooling=_pooling(folder, modules, entry),
        query_prompt=_prompt(settings, "query"),
        document_prompt=_prompt(settings, "document", "passage", "corpus"),
        lower_case=bool(tokenization.get("do_lower_case")),
        max_tokens=tokenization.get("max_seq_length"),
        dims=tuple(settings.get("matryoshka_dims") or ()),
        prompts={name: prompt for name, prompt in (settings.get("prompts") or {}).items() if prompt},
        base=str(settings.get("base_model") or ""),
    )


def _refuse_what_is_not_plain(weights: Path, config: dict[str, Any]) -> None:
    if not any(weights.glob("*.safetensors")):
        raise UnsupportedModel(
            f"{weights} has no .safetensors: pickled weights can run code and are never loaded; "
            "save the model with safe_serialization=True"
        )
    if not (weights / "tokenizer.json").is_file():
        raise UnsupportedModel(f"{weights}: only models with a tokenizer.json are supported")
    if (weights / "adapter_config.json").is_file():
        raise UnsupportedModel(f"{weights} is an adapter of another model: merge the two and give the result")
    if "quantization_config" in config:
        raise UnsupportedModel(f"{weights} is quantised, which was not validated: give the full weights")


def _modules(folder: Path) -> list[dict[str, str]]:
    """The steps from text to vector, as modules.json lists them; empty without that file."""
    modules: list[dict[str, str]] = _json(folder / "modules.json", empty=[])
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in ([], ["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UnsupportedModel(
            f"{folder}: modules {', '.join(kinds)}; supported: Transformer, Pooling, Normalize"
        )
    return modules


def _pooling(folder: Path, modules: list[dict[str, str]], entry: Entry | None) -> Pooling:
    if not modules:
        if entry is None:
            raise UnsupportedModel(f"{folder} has no modules.json, which says how its tokens are pooled")
        return entry.pooling
    config = _json(folder / modules[1]["path"] / "config.json")
    modes = config.get("pooling_mode") or [mode for flag, mode in _OLD_POOLING.items() if config.get(flag)]
    mode = modes if isinstance(modes, str) else "+".join(modes)
    if mode not in _POOLING or config.get("include_prompt") is False:
        raise UnsupportedModel(
            f"{folder}: pooling {mode or 'of no kind'!r}; "
            f"supported: {', '.join(get_args(Pooling))}, over the prompt too"
        )
    return _POOLING[mode]


def _prompt(settings: dict[str, Any], *names: str) -> str:
    """The first of these that the folder has, else its default one: sentence-transformers' order."""
    prompts = settings.get("prompts") or {}
    name = next((name for name in names if name in prompts), settings.get("default_prompt_name"))
    return prompts.get(name) or ""


def _json(path: Path, empty: Any = None) -> Any:
    if not path.is_file():
        return {} if empty is None else empty
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise BrokenModel(f"{path} can't be read: {error}") from error
