"""A model -> the same function with more layers, which training can then put to use.

The outputs of the new layers are zero at first: they add nothing to the stream, and every vector stays as it
was. So a table of token vectors, trained in minutes on millions of texts (`training.static`), is where a
transformer starts from, and not noise.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from embedder.layout import read_layout
from training.errors import BadConfig


def grow(model: Path, output: Path, layers: int, seed: int = 0) -> Path:
    """Write `model` to `output` with `layers` more on top, bidirectional. Raises EncoderError, and BadConfig
    for other models than Qwen2 and Qwen3."""
    layout = read_layout(model, None)
    kind = layout.config.get("model_type")
    if kind not in {"qwen2", "qwen3"}:
        raise BadConfig(
            f"{model} is of type {kind!r}: only Qwen2 and Qwen3 grow, whose layers add to a stream"
        )
    config = AutoConfig.from_pretrained(layout.folder, local_files_only=True)
    held = config.num_hidden_layers
    config.num_hidden_layers = held + layers
    config.layer_types = ["full_attention"] * (held + layers)
    config.is_causal = False
    torch.manual_seed(seed)
    network = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    network.load_state_dict(load_file(layout.folder / "model.safetensors"), strict=False)
    with torch.no_grad():
        for layer in network.layers[held:]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    shutil.copytree(model, output, ignore=shutil.ignore_patterns("*.safetensors", "golden.json", "README.md"))
    network.save_pretrained(output)
    settings = {key: value for key, value in network.config.to_dict().items() if not key.startswith("_")}
    (output / "config.json").write_text(json.dumps(settings, indent=2, default=str), encoding="utf-8")
    return output  # all settings, as `export` writes them: the two can be averaged
