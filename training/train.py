"""The training loop, read from top to bottom: data and a base model -> a better model.

    python -m training train finetune --model kalm-v2.5 --data pairs.jsonl --output tuned
    torchrun --nproc-per-node 8 -m training train finetune ...

Killed at any moment, the same command goes on at the last checkpoint with the losses it would have had.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embedder.device import choose
from training import checkpoint, distributed, evaluate, export, gradcache
from training.batches import Group, Groups, Plan, steps
from training.config import TrainConfig, load, save
from training.data import read
from training.distributed import World
from training.errors import BadCheckpoint, BadConfig, Diverged
from training.log import Log
from training.objective import Labels, Objective, label, passages_of
from training.student import Student
from training.teacher import Teacher

log = logging.getLogger(__name__)


def train(config: TrainConfig, *, allow_download: bool = False) -> Path:
    """Train as `config` says; returns the exported model's folder. Raises TrainingError, EncoderError."""
    torch.manual_seed(config.seed)  # before LoRA's random matrices
    world = distributed.join(choose(config.device, config.precision).name)
    if config.batch_size % world.size:
        raise BadConfig(f"--batch-size {config.batch_size} can't be shared by {world.size} processes")
    student = Student(config, allow_download=allow_download)
    arena = student.arena
    teacher = (
        Teacher(config.teacher, student.device) if config.teacher and config.stage == "distill" else None
    )
    rows = list(read(config.data, config.task_fields))
    plan = Plan(rows, config)
    groups = Groups(rows, config, student.template, student.document_prefix)
    objective = Objective(config, student.dims, student.dim_weights, world)
    optimizer = _optimizer(student, config)
    total = config.steps or config.epochs * len(plan.epoch(0))
    config.output.mkdir(parents=True, exist_ok=True)
    start = checkpoint.resume(config, student, optimizer)
    if world.first:
        save(config, config.output / "config.json")
    with Log(config.output, start, enabled=world.first) as journal:
        for batch in _prefetch(plan, groups, student, world, start, total):
            began = time.perf_counter()
            arena.grads.zero_()
            part, figures = _accumulate(batch, student, objective, teacher, config, world)
            loss = world.sum_(torch.tensor([part], dtype=torch.float32, device=arena.values.device))
            world.sum_(arena.grads)
            norm = arena.clip(config.largest_gradient)
            if not math.isfinite(norm):
                raise Diverged(f"the gradient of step {batch.number} is {norm}: lower --learning-rate")
            rate = _rate(batch.number, total, config)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
            optimizer.step()
            arena.updated()
            done = batch.number + 1
            seconds = time.perf_counter() - began
            journal.step(done, total, batch, float(loss), figures, rate, norm, seconds, config.log_every)
            if config.evaluate_every and done % config.evaluate_every == 0 and world.first:
                journal.evaluation(done, evaluate.quick(student, config.evaluate_on))
            if config.save_every and done % config.save_every == 0 and done < total and world.first:
                checkpoint.write(config, student, optimizer, done)
    if world.first:
        checkpoint.write(config, student, optimizer, total)
        export.export(student, config, config.output / "model", rows=rows, steps=total)
    world.wait()
    distributed.leave(world)
    return config.output / "model"


def export_checkpoint(run: Path, output: Path) -> Path:
    """Export a run's model as its last checkpoint has it. Raises BadCheckpoint if there is none."""
    config = load(run / "config.json")
    student = Student(config)
    step = checkpoint.resume(replace(config, output=run), student, _optimizer(student, config))
    if not step:
        raise BadCheckpoint(f"{run} has no checkpoint yet: wait for step {config.save_every}")
    rows = list(read(config.data, config.task_fields))
    return export.export(student, config, output, rows=rows, steps=step)


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's share of a step, tokenised."""

    number: int
    """Of the step, from 0."""
    groups: list[Group]
    sequences: list[list[int]]
    """Queries, then passages as `Labels` has them."""
    labels: Labels
    tokens: int
    waited_s: float = 0.0


def _prefetch(
    plan: Plan, groups: Groups, student: Student, world: World, start: int, total: int
) -> Iterator[Batch]:
    """The batches from step `start` on; the next one is tokenised while this one is learned from."""

    def make(number: int, epoch: int, rows: Sequence[int]) -> Batch:
        mine = [groups.draw(row, epoch) for row in rows[world.share(len(rows))]]
        queries = student.tokenise([group.query for group in mine], student.query_tokens)
        sequences = queries + student.tokenise(passages_of(mine), student.passage_tokens)
        labels = label(mine, torch.device(student.network.device))
        return Batch(number, mine, sequences, labels, sum(map(len, sequences)))

    upcoming = zip(range(start, total), steps(plan, start), strict=False)
    with ThreadPoolExecutor(1) as pool:
        pending = None
        for number, (epoch, rows) in upcoming:
            following = pool.submit(make, number, epoch, rows.tolist())
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def _accumulate(
    batch: Batch,
    student: Student,
    objective: Objective,
    teacher: Teacher | None,
    config: TrainConfig,
    world: World,
) -> tuple[float, dict[str, Tensor]]:
    """Add the gradient of this process's share to the arena; returns its part of the loss, and figures."""
    judged = teacher.judge(batch.groups) if teacher else None

    def loss(vectors: Tensor) -> tuple[float, dict[str, Tensor]]:
        n = len(batch.groups)
        return objective(vectors[:n], vectors[n:], batch.labels, judged)

    return gradcache.step(
        student,
        batch.sequences,
        loss,
        batch_tokens=config.batch_tokens,
        kept_tokens=config.kept_tokens,
        seed=hash((config.seed, batch.number, world.rank)),
    )


def _optimizer(student: Student, config: TrainConfig) -> torch.optim.AdamW:
    """Over the arena: three tensors, the vocabulary's vectors, matrices, and vectors without decay."""
    arena = student.arena
    table: Any = student.network.get_input_embeddings().weight
    first = table.numel() if table.requires_grad and arena.holds(table) else 0
    parts = (
        (slice(first), config.weight_decay, config.embedding_rate),
        (slice(first, arena.matrices), config.weight_decay, 1.0),
        (slice(arena.matrices, None), 0.0, 1.0),
    )
    groups = []
    for part, decay, share in parts:
        values = torch.nn.Parameter(arena.values[part])
        values.grad = arena.grads[part]
        groups.append({"params": [values], "weight_decay": decay, "share": share})
    fused = student.device.name in {"cpu", "cuda"}
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)


def _rate(step: int, total: int, config: TrainConfig) -> float:
    """The learning rate of a step, from 0: up over the warmup, then down to 0 after the last."""
    warmup = math.ceil(config.warmup * total)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    left = (total - step) / max(1, total - warmup)
    shares = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}
    return config.learning_rate * shares[config.schedule]
