"""A training step against sentence-transformers' cached loss: python -m benchmarks.training

Same weights, same texts (one positive and two negatives a query, cuts of the sample library of mixed
lengths), same batch, mini-batches of the same number of tokens, InfoNCE at full width, AdamW, bf16. Theirs
runs in a plain loop without their trainer's overhead, and wholly under autocast. Tokenising is in neither.
Sides take turns in one process. Then what GradCache costs us beside a plain step, and the peak of memory
over batch sizes, each in a process of its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

import embedder
from benchmarks.machine import describe
from benchmarks.texts import cuts
from training import gradcache
from training.batches import Group
from training.config import ScratchConfig, TrainConfig
from training.distributed import World
from training.objective import Objective, label, passages_of
from training.scratch import scratch
from training.student import Student

NEGATIVES = 2
LONGEST = 256
TEMPERATURE = 0.02
Step = Callable[[], float]


def main(
    batch: int = 64,
    batch_tokens: int = 4096,
    rounds: int = 3,
    models: tuple[str, ...] = ("all-MiniLM-L6-v2", "qwen2"),
    memory: bool = True,
) -> None:
    """Print the tables. `models`: catalog names or folders; "qwen2" is a random one, 8 layers, 384 wide."""
    print(f"{describe()}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            path = random_qwen(Path(folder)) if model == "qwen2" else model
            compare(model, str(path), batch, batch_tokens, rounds)
        if memory:
            peaks(str(random_qwen(Path(folder))), batch_tokens // 4)  # so that both batches take several


def compare(name: str, model: str, batch: int, batch_tokens: int, rounds: int) -> None:
    """One table: tokens per second of each side, interleaved."""
    groups = make_groups(batch)
    ours, student = our_step(model, groups, batch_tokens, kept_tokens=0)
    kept, _ = our_step(model, groups, batch_tokens, kept_tokens=1 << 30)
    sides: dict[str, Step] = {
        "ours": ours,
        "ours, all activations kept": kept,
        "sentence-transformers, by tokens": their_step(model, groups, mini_batch_num_tokens=batch_tokens),
        "sentence-transformers, 32 rows": their_step(model, groups, mini_batch_size=32),
    }
    texts = [*(group.query for group in groups), *passages_of(groups)]
    tokens = sum(map(len, student.tokenise(texts, LONGEST)))
    losses = {side: step() for side, step in sides.items()}  # warm up
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, step in sides.items():
            begin = time.perf_counter()
            step()
            times[side].append(time.perf_counter() - begin)
    reference = median(times["sentence-transformers, by tokens"])
    print(f"\n{name}: {batch} queries, {tokens} tokens, forward passes of {batch_tokens}")
    for side, taken in times.items():
        speed, ratio = tokens / median(taken), reference / median(taken)
        print(f"  {side:<36}{speed:8.0f} tokens/s  {ratio:5.2f}x   first loss {losses[side]:.4f}")
    twice = median(times["ours"]) / median(times["ours, all activations kept"])
    print(f"  GradCache against a plain step: {twice:.2f}x")


def our_step(model: str, groups: list[Group], batch_tokens: int, kept_tokens: int) -> tuple[Step, Student]:
    config = TrainConfig(
        model=model,
        stage="finetune",
        focal=0.0,
        mixed_pairs=0,
        mixed_lists=0,
        temperature=TEMPERATURE,
        dims=(),
        query_tokens=LONGEST,
        passage_tokens=LONGEST,
        instructions=False,
        precision="bf16",
        batch_tokens=batch_tokens,
        device="cpu",
    )
    student = Student(replace(config))
    values = torch.nn.Parameter(student.arena.values)
    values.grad = student.arena.grads
    optimizer = torch.optim.AdamW([values], lr=1e-6, fused=True)
    dims, weights = config.widths(student.width)
    objective = Objective(config, dims, weights, World())
    labels = label(groups, torch.device("cpu"))
    texts = [*(group.query for group in groups), *passages_of(groups)]
    sequences = student.tokenise(texts, LONGEST)

    def step() -> float:
        student.arena.grads.zero_()
        value, _ = gradcache.step(
            student,
            sequences,
            lambda vectors: objective(vectors[: len(groups)], vectors[len(groups) :], labels),
            batch_tokens=batch_tokens,
            kept_tokens=kept_tokens,
        )
        student.arena.clip(1.0)
        optimizer.step()
        student.arena.updated()
        return value

    return step, student


def their_step(model: str, groups: list[Group], **mini_batch: Any) -> Step:
    path = model if Path(model).is_dir() else str(embedder_folder(model))
    student = SentenceTransformer(path, device="cpu", local_files_only=True)
    student.max_seq_length = LONGEST
    student.train()
    loss = CachedMultipleNegativesRankingLoss(student, scale=1 / TEMPERATURE, **mini_batch)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-6, fused=True)
    columns = zip(*(group.passages for group in groups), strict=True)
    texts: list[Sequence[str]] = [[group.query for group in groups], *columns]
    features = [student.preprocess(list(column)) for column in texts]

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss([dict(column) for column in features], torch.empty(0))
            value.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        return float(value.detach())

    return step


def peaks(model: str, batch_tokens: int) -> None:
    """Peak memory of a step for batches of 256 and 4,096 queries."""
    print("\npeak of memory of one step, in a process of its own")
    for batch in (256, 4096):
        code = f"from benchmarks.training import peak; peak({model!r}, {batch}, {batch_tokens})"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        print(f"  {batch:>5} queries: {float(ran.stdout.split()[-1]):.0f} MB")


def peak(model: str, batch: int, batch_tokens: int) -> None:
    """Short texts, so that it takes minutes and not hours: what grows with the batch grows all the same."""
    groups = [
        Group("t", f"query {at}", (f"passage {at} of many", f"another {at}"), (), (), True, (), (), None)
        for at in range(batch)
    ]
    step, _ = our_step(model, groups, batch_tokens, kept_tokens=0)
    step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def make_groups(batch: int) -> list[Group]:
    encoder = embedder.load("all-MiniLM-L6-v2", "cpu")
    texts = iter(list(cuts(encoder, batch * (2 + NEGATIVES))))
    groups = []
    for _ in range(batch):
        query = " ".join(next(texts).split()[:12])
        passages = tuple(next(texts) for _ in range(1 + NEGATIVES))
        groups.append(Group("t", query, passages, (query, *passages), (), True, (), (), None))
    return groups


def random_qwen(folder: Path) -> Path:
    """Random weights, and MiniLM's vocabulary."""
    output = folder / "qwen2"
    if not output.is_dir():
        tokenizer = embedder_folder("all-MiniLM-L6-v2")
        scratch(ScratchConfig(output=output, tokenizer=tokenizer))
    return output


def embedder_folder(name: str) -> Path:
    from embedder.locate import locate

    return locate(name)[1]


if __name__ == "__main__":
    tyro.cli(main)
