"""Several models of one shape -> one whose weights are their average: KaLM V2's model soup, and the way back
from a fine-tuned model towards its base where it has forgotten too much (arXiv:2203.05482, 2109.01903)."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from embedder.locate import file_sha256
from training.errors import Mismatch
from training.export import finish

_SAYS_WHO_SAVED_IT = {
    "_name_or_path",
    "transformers_version",
    "dtype",
    "torch_dtype",
    "architectures",
    "transformers_min",
}


def soup(folders: Sequence[Path], weights: Sequence[float], output: Path) -> Path:
    """Average `folders` by `weights`, which need not sum to 1, into `output`: the first one's files around
    the new weights. Sums in fp32, one tensor in memory at a time. Raises Mismatch if they are not of one
    kind."""
    if len(folders) != len(weights) or len(folders) < 2 or sum(weights) <= 0:
        raise Mismatch(
            f"{len(folders)} models and {len(weights)} weights: give two models or more, a weight each"
        )
    _check(folders)
    shares = [weight / sum(weights) for weight in weights]
    opened: list[Any] = [safe_open(folder / "model.safetensors", framework="pt") for folder in folders]
    averaged = {}
    for name in opened[0].keys():  # noqa: SIM118 not a dict
        first = opened[0].get_tensor(name)
        total = torch.zeros(first.shape, dtype=torch.float32)
        for file, share in zip(opened, shares, strict=True):
            total.add_(file.get_tensor(name).float(), alpha=share)
        averaged[name] = total.to(first.dtype)
    shutil.copytree(
        folders[0], output, ignore=shutil.ignore_patterns("model.safetensors", "golden.json", "README.md")
    )
    save_file(averaged, output / "model.safetensors", metadata={"format": "pt"})
    finish(output, _card(folders, shares, output))
    return output


def greedy(folders: Sequence[Path], score: Callable[[Path], float], output: Path) -> list[Path]:
    """Greedy soup: beginning with the best, add each that makes the average better; returns those in it, the
    soup is in `output`. `score`: of a model's folder, higher is better."""
    ranked = sorted(folders, key=score, reverse=True)
    members, best = ranked[:1], score(ranked[0])
    shutil.copytree(ranked[0], output)
    for candidate in ranked[1:]:
        tried = soup([*members, candidate], [1.0] * (len(members) + 1), output.with_suffix(".tried"))
        if (found := score(tried)) > best:
            members, best = [*members, candidate], found
            shutil.rmtree(output)
            tried.rename(output)
        else:
            shutil.rmtree(tried)
    return members


def _check(folders: Sequence[Path]) -> None:
    """Raises Mismatch naming the first difference that an average can't bridge."""
    first = folders[0]
    for other in folders[1:]:
        for name in ("tokenizer.json", "1_Pooling/config.json", "config_sentence_transformers.json"):
            if _read(first / name) != _read(other / name):
                raise Mismatch(
                    f"{first} and {other} have different {name}: their vectors don't mean the same"
                )
        ours, theirs = (_read(folder / "config.json") for folder in (first, other))
        for name in sorted((ours.keys() | theirs.keys()) - _SAYS_WHO_SAVED_IT):
            if ours.get(name) != theirs.get(name):
                raise Mismatch(f"{first} has {name} {ours.get(name)!r}, {other} {theirs.get(name)!r}")
        if (shapes := _shapes(first)) != (others := _shapes(other)):
            name = min(name for name in shapes.keys() | others.keys() if shapes.get(name) != others.get(name))
            raise Mismatch(f"{name} is {shapes.get(name)} in {first}, {others.get(name)} in {other}")


def _shapes(folder: Path) -> dict[str, tuple[list[int], str]]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (part.get_shape(), part.get_dtype()) for name, part in slices.items()}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _card(folders: Sequence[Path], shares: Sequence[float], output: Path) -> str:
    parents = "\n".join(
        f"| {folder.resolve().parent.name}/{folder.name} | {share:.3f} "
        f"| {file_sha256(folder / 'model.safetensors')} |"
        for folder, share in zip(folders, shares, strict=True)
    )
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, feature-extraction, kalm, model-soup]
---
# {output.resolve().name}

The average of the weights of

| model | share | sha256 of model.safetensors |
|---|---|---|
{parents}
"""
