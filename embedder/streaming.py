"""A checkpoint -> layers made for this CPU, one after the other: the whole is never in memory twice.

transformers maps the whole file and keeps it mapped; beside the layers made of it that is twice the
weights. Here the file is opened anew for every layer, so that its pages are given back.
"""

import ctypes
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig

from embedder.cpu import QwenLayer, kit_of
from embedder.device import Device
from embedder.errors import BrokenModel

_PREFIX = "model."
"""Before every name in checkpoints of language models; the encoders' own go without."""


@torch.inference_mode()
def stream_qwen(folder: Path, config: PreTrainedConfig, device: Device) -> Any:
    """Qwen2 or Qwen3 with its layers made by `QwenLayer`. Raises BrokenModel."""
    try:
        files = _files(folder)
        with torch.device("meta"):  # no memory yet
            network = AutoModel.from_config(config, dtype=device.dtype)  # type: ignore[no-untyped-call]
        network.rotary_emb = type(network.rotary_emb)(config)  # computed, not in the file
        _fill(network.embed_tokens, "embed_tokens.", files, device.dtype, mapped=True)
        _fill(network.norm, "norm.", files, device.dtype)
        for number, layer in enumerate(network.layers):
            layer.self_attn.is_causal = config.is_causal
            _fill(layer, f"layers.{number}.", files, device.dtype)
            network.layers[number] = QwenLayer(layer, kit_of(device.precision))
            _return_freed_memory()
    except (OSError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
        raise BrokenModel(f"{folder} can't be loaded: {error}") from error
    left_over = [name for name in files if name.startswith(f"layers.{len(network.layers)}.")]
    if left_over:
        raise BrokenModel(f"{folder}: config.json leaves out {', '.join(sorted(left_over)[:3])}, …")
    return network


def _return_freed_memory() -> None:
    """glibc keeps what was freed for later: 350 MB of scraps by the end of a load in bf16."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _files(folder: Path) -> dict[str, Path]:
    """Name of each weight, without prefix -> the file it is in."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    else:
        named = {name: path.name for path in folder.glob("*.safetensors") for name in _names(path)}
    return {name.removeprefix(_PREFIX): folder / file for name, file in named.items()}


def _names(path: Path) -> list[str]:
    with safe_open(path, "pt") as file:
        return list(file.keys())


def _fill(
    module: nn.Module, begin: str, files: dict[str, Path], dtype: torch.dtype, *, mapped: bool = False
) -> None:
    """Give a module on "meta" its weights. Raises BrokenModel if some are missing.

    `mapped` leaves them in the file where their dtype allows it: of an embedding only the rows of tokens
    that occur are ever in memory, and of KaLM's 270 MB most are of scripts that don't.
    """
    wanted = {name: begin + name for name in module.state_dict()}
    missing = [name for name in wanted.values() if name not in files]
    if missing:
        raise BrokenModel(f"the weights lack {', '.join(sorted(missing)[:3])}, …")
    state = {name: weight.to(dtype, copy=not mapped) for name, weight in _read(wanted, files)}
    module.load_state_dict(state, assign=True)


def _read(wanted: dict[str, str], files: dict[str, Path]) -> Iterator[tuple[str, Tensor]]:
    """The weights asked for, by the names they are asked by; still in the file, until they are copied."""
    for path in {files[full] for full in wanted.values()}:
        with safe_open(path, "pt") as file:
            stored = {name.removeprefix(_PREFIX): name for name in file.keys()}  # noqa: SIM118 no mapping
            for name, full in wanted.items():
                if files[full] == path:
                    yield name, file.get_tensor(stored[full])
