"""What a killed run needs to go on: weights, the optimizer's memory, and how far it was."""

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from training.config import TrainConfig
from training.errors import BadCheckpoint
from training.student import Student

log = logging.getLogger(__name__)
_FREE = frozenset(
    {"output", "log_every", "save_every", "evaluate_every", "evaluate_on", "kept_tokens", "device"}
)
"""Settings that may change between a run and its resumption: they don't change what is learned."""


def write(config: TrainConfig, student: Student, optimizer: torch.optim.AdamW, step: int) -> None:
    """Save the state after `step` steps in one go, and drop the one before."""
    folder = config.output / "checkpoint"
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file(_tensors(student, optimizer), fresh / "state.safetensors")
    state = {"step": step, "config": _settings(config), "names": student.arena.names}
    (fresh / "state.json").write_text(json.dumps(state), encoding="utf-8")
    old = folder.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def resume(config: TrainConfig, student: Student, optimizer: torch.optim.AdamW) -> int:
    """Load the last state, if there is one; returns the steps done. Raises BadCheckpoint if it is another
    run's."""
    folder = _newest(config.output / "checkpoint")
    if folder is None:
        return 0
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    settings = _settings(config)
    changed = [name for name in settings if settings[name] != state["config"].get(name)]
    if changed or state["names"] != student.arena.names:
        what = ", ".join(f"{name} was {state['config'].get(name)}" for name in changed) or "another model"
        raise BadCheckpoint(f"{folder} is of another run ({what}): give another --output, or remove it")
    tensors = load_file(folder / "state.safetensors")
    student.arena.values.copy_(tensors["values"])
    student.arena.updated()
    for at, group in enumerate(optimizer.param_groups):
        parameter = group["params"][0]
        optimizer.state[parameter] = {
            "step": torch.tensor(float(state["step"])),
            **{name: tensors[f"{name}.{at}"].to(parameter.device) for name in ("exp_avg", "exp_avg_sq")},
        }
    log.info("going on at step %d", state["step"])
    return int(state["step"])


def _newest(folder: Path) -> Path | None:
    """The checkpoint, or the one before it where the run died between the two renames."""
    for candidate in (folder, folder.with_suffix(".old")):
        if (candidate / "state.json").is_file():
            return candidate
    return None


def _tensors(student: Student, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
    found = {"values": student.arena.values}
    for at, group in enumerate(optimizer.param_groups):
        state = optimizer.state[group["params"][0]]
        found |= {f"{name}.{at}": state[name] for name in ("exp_avg", "exp_avg_sq")}
    return {name: value.detach().cpu() for name, value in found.items()}


def _settings(config: TrainConfig) -> dict[str, object]:
    """What must be the same, as JSON has it."""
    fields = {name: value for name, value in asdict(config).items() if name not in _FREE}
    loaded: dict[str, object] = json.loads(json.dumps(fields, default=str))
    return loaded
