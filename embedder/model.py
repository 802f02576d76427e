"""A folder -> a transformer whose attention looks where it was trained to look.

Stock transformers classes run the weights; a folder's own code never does. KaLM v2 and v2.5 are Qwen2
made bidirectional by such code, and Qwen2's stock class is causal: loaded naively they give wrong
vectors without an error. So the direction must be known (catalog, or `is_causal` in config.json), is
set in the config and in the layers, and is probed after loading (`_probe`, in kalm.py).
Validated for the types in `MODEL_TYPES`; others raise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from embedder.attention import PACKED
from embedder.catalog import Entry
from embedder.cpu import quicken
from embedder.device import Device
from embedder.errors import BrokenModel, UnsupportedModel
from embedder.layout import Layout
from embedder.streaming import stream_qwen

ENCODERS = frozenset({"bert", "distilbert", "mpnet", "roberta", "xlm-roberta"})
"""Every token sees every other, by construction."""
DECODERS = frozenset({"qwen2", "qwen3"})
"""Causal unless told otherwise."""
GEMMA = "gemma3_text"
"""Says in its own config which way it looks."""
MODEL_TYPES = ENCODERS | DECODERS | {GEMMA}
PACKED_TYPES = (ENCODERS | DECODERS) - {"mpnet"}
"""Not MPNet, whose attention adds a bias for each distance, nor Gemma, some of whose layers see a window."""

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
    packs: bool
    """Whether sequences are laid end to end; else they are padded to the longest of a batch."""

    def run(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """Token states. sequences: token ids, none empty; out: (tokens of all, dim), one after the other."""
        with torch.inference_mode():
            return self.states(sequences)

    def states(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """As `run`, with gradients where the network has them."""
        return self._packed(sequences) if self.packs else self._padded(sequences)

    def _packed(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        lengths = [len(ids) for ids in sequences]
        first = first_position(self.network.config)
        positions = torch.cat([torch.arange(first, first + length) for length in lengths])
        tokens = torch.tensor(list(chain.from_iterable(sequences)))
        output = self.network(
            input_ids=tokens[None].to(self.device.name),
            position_ids=positions[None].to(self.device.name),
            lengths=lengths,
        )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    def _padded(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        padding_id = self.network.config.pad_token_id or 0
        tokens = pad_sequence([torch.tensor(ids) for ids in sequences], True, padding_id)  # (batch, longest)
        lengths = torch.tensor([len(ids) for ids in sequences])
        real = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(self.device.name)
        output = self.network(input_ids=tokens.to(self.device.name), attention_mask=real.long())
        hidden: Tensor = output.last_hidden_state[real]
        return hidden


def first_position(config: PreTrainedConfig) -> int:
    """The number of a text's first token. RoBERTa and its heirs begin to count after the padding's id."""
    if config.model_type == "mpnet":
        return 2  # its padding id is fixed at 1
    if config.model_type in {"roberta", "xlm-roberta"}:
        return int(config.pad_token_id) + 1
    return 0


def load_model(layout: Layout, entry: Entry | None, device: Device) -> Model:
    """Load the weights. Raises UnsupportedModel, or BrokenModel if weights are missing."""
    config, packs = _plan(layout, entry, device)
    if packs and config.model_type in DECODERS and device.name == "cpu":
        network = stream_qwen(layout.folder, config, device)
    else:
        network = _stock(layout, config, device)
        if device.name == "cpu":
            quicken(network, device.precision)
    return _model(network, layout, entry, device, packs)


def load_stock(layout: Layout, entry: Entry | None, device: Device, *, causal: bool | None = None) -> Model:
    """As `load_model`, with transformers' own layers: what training starts from. `causal` overrules what
    the model is: a causal base becomes bidirectional. Raises as `load_model` does."""
    if causal is not None:
        layout = replace(layout, config={**layout.config, "is_causal": causal})
        entry = None
    config, packs = _plan(layout, entry, device)
    return _model(_stock(layout, config, device), layout, entry, device, packs)


def _plan(layout: Layout, entry: Entry | None, device: Device) -> tuple[PreTrainedConfig, bool]:
    """How to build the network, and whether it packs."""
    model_type = layout.config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise UnsupportedModel(
            f"{layout.folder}: model type {model_type!r} was not validated; "
            f"supported: {', '.join(sorted(MODEL_TYPES))}"
        )
    config = _config(layout, causal=_is_causal(layout, entry))
    whole_text = {"full_attention"}.issuperset(getattr(config, "layer_types", None) or [])
    return config, model_type in PACKED_TYPES and whole_text and device.name in {"cpu", "cuda"}


def _model(
    network: PreTrainedModel, layout: Layout, entry: Entry | None, device: Device, packs: bool
) -> Model:
    if packs:
        network.config._attn_implementation = PACKED
    network.to(device.name)  # type: ignore[arg-type]
    network.eval()  # type: ignore[no-untyped-call]
    return Model(network, _is_causal(layout, entry), device, packs)


def _stock(layout: Layout, config: PreTrainedConfig, device: Device) -> PreTrainedModel:
    """transformers' own class, loaded by transformers."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, report = AutoModel.from_pretrained(
            layout.folder,
            config=config,
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
    if config.model_type in DECODERS:
        _set_direction(network, config.is_causal)
    loaded: PreTrainedModel = network
    return loaded


def _config(layout: Layout, *, causal: bool) -> PreTrainedConfig:
    """The folder's config without what names code; where padding is masked, its direction decides."""
    settings = {
        key: value
        for key, value in layout.config.items()
        if not key.startswith("_") and key not in _CODE_FIELDS
    }
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    if config.model_type != GEMMA:
        config.is_causal = causal
    config.use_cache = False
    return config


def _is_causal(layout: Layout, entry: Entry | None) -> bool:
    """Whether a token sees only those before it; never guessed where it could be either."""
    if layout.config["model_type"] in ENCODERS:
        return False
    if layout.config["model_type"] == GEMMA:
        return not layout.config.get("use_bidirectional_attention")
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
