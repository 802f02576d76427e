"""A folder -> a transformer whose attention looks where it was trained to look.

Stock transformers classes run the weights; a folder's own code never does. KaLM v2 and v2.5 are Qwen2
made bidirectional by such code, and Qwen2's stock class is causal: loaded naively they give wrong
vectors without an error. So the direction must be known (catalog, or `is_causal` in config.json), is
set in the config and in the layers, and is probed after loading (`_probe`, in kalm.py).
Validated for the types in `MODEL_TYPES`; others raise.
"""

import re
from dataclasses import dataclass

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from embedder.catalog import Entry
from embedder.device import Device
from embedder.errors import BrokenModel, UnsupportedModel
from embedder.layout import Layout

ENCODERS = frozenset({"bert", "distilbert", "mpnet", "roberta", "xlm-roberta"})
"""Every token sees every other, by construction."""
DECODERS = frozenset({"qwen2", "qwen3"})
"""Causal unless told otherwise."""
MODEL_TYPES = ENCODERS | DECODERS

_CODE_FIELDS = frozenset({"auto_map", "attn_implementation", "experts_implementation"})
"""Name code to fetch and run; dropped, like all with a leading underscore (CVE-2026-4372)."""
_OPTIONAL = ("pooler.", "position_ids")
"""Weights that may be missing: we pool ourselves."""
_LAYER = re.compile(r"\blayers?\.\d")
"""Weights that must not be left over: the config would cut the model short."""


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded transformer."""

    network: PreTrainedModel
    causal: bool
    device: Device

    def run(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token states. tokens, mask: (batch, tokens), padded on the right; out: (batch, tokens, dim)."""
        with torch.inference_mode():
            output = self.network(
                input_ids=tokens.to(self.device.name), attention_mask=mask.to(self.device.name)
            )
        hidden: Tensor = output.last_hidden_state
        return hidden


def load_model(layout: Layout, entry: Entry | None, device: Device) -> Model:
    """Load the weights. Raises UnsupportedModel, or BrokenModel if weights are missing."""
    model_type = layout.config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise UnsupportedModel(
            f"{layout.folder}: model type {model_type!r} was not validated; "
            f"supported: {', '.join(sorted(MODEL_TYPES))}"
        )
    causal = _is_causal(layout, entry)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, report = AutoModel.from_pretrained(
            layout.folder,
            config=_config(layout, causal=causal),
            dtype=device.dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, TypeError, ValueError, SafetensorError, StrictDataclassError) as error:
        raise BrokenModel(f"{layout.folder} can't be loaded: {error}") from error
    missing = [key for key in report["missing_keys"] if not any(part in key for part in _OPTIONAL)]
    if missing:
        raise BrokenModel(f"{layout.folder}: the weights lack {', '.join(sorted(missing)[:3])}, …")
    left_over = [key for key in report["unexpected_keys"] if _LAYER.search(key)]
    if left_over:
        raise BrokenModel(f"{layout.folder}: config.json leaves out {', '.join(sorted(left_over)[:3])}, …")
    if model_type in DECODERS:
        _set_direction(network, causal)
    return Model(network.to(device.name).eval(), causal, device)


def _config(layout: Layout, *, causal: bool) -> PreTrainedConfig:
    """The folder's config without what names code; where padding is masked, its direction decides."""
    settings = {
        key: value
        for key, value in layout.config.items()
        if not key.startswith("_") and key not in _CODE_FIELDS
    }
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    config.is_causal = causal
    config.use_cache = False
    return config


def _is_causal(layout: Layout, entry: Entry | None) -> bool:
    """Whether a token sees only those before it; never guessed where it could be either."""
    if layout.config["model_type"] in ENCODERS:
        return False
    if entry is not None and entry.causal is not None:
        return entry.causal
    stated = layout.config.get("is_causal")
    if stated is not None:
        return bool(stated)
    if "auto_map" in layout.config:
        raise UnsupportedModel(
            f"{layout.folder} comes with its own model code, which is never run, and does not say which way "
            'its attention looks: set "is_causal" in its config.json, false for bidirectional models '
            "(KaLM v2 and later), true for causal ones"
        )
    return True


def _set_direction(network: nn.Module, causal: bool) -> None:
    """Tell every layer too: its own flag decides where no mask is made and the config's isn't handed down
    (transformers 5.23 does hand it down)."""
    for module in network.modules():
        if hasattr(module, "is_causal"):
            setattr(module, "is_causal", causal)  # noqa: B010 a plain attribute, whatever nn.Module types say
