"""Each part of the recipe taken away or changed, three seeds: python -m benchmarks.ablations

A model of two layers learns German law from nothing, so that parts show within seconds of training; all
variants begin with the same random weights, a seed decides the order of rows, the negatives and the
mixtures. It learns headings and first sentences of `trainpack`'s acts and is judged by `evalpack`'s de_law,
headings of other acts: nDCG@10. kalm-nano mines the negatives, and its scores are what is distilled.
Figures, and what they can't say: docs/recipe.md.
"""

import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import torch
import tyro

import embedder
from benchmarks.adaptation import DATA
from benchmarks.machine import describe
from embedder.locate import locate
from training.config import MineConfig, ScratchConfig, TrainConfig
from training.data import Row, write_rows
from training.evaluate import evaluate
from training.mine import mine
from training.reader import Reader
from training.scratch import scratch
from training.soup import soup
from training.train import train

MINER = "kalm-nano"
RECIPE = "the recipe"
TASKS = ("heading", "first sentence")
Scores = tuple[float, ...]
"""nDCG@10 at each width, 0 to 1."""
Change = Callable[[TrainConfig], TrainConfig]


@dataclass(frozen=True)
class Bench:
    """What every run shares."""

    folder: Path
    unfiltered: Path
    evaluate_on: Path
    dims: tuple[int, ...]
    config: TrainConfig


def main(
    data: Path = DATA,
    rows: int = 2000,
    steps: int = 80,
    batch_size: int = 32,
    passage_tokens: int = 64,
    learning_rate: float = 2e-3,
    width: int = 128,
    seeds: int = 3,
    only: tuple[str, ...] = (),
) -> None:
    """Print the table: mean and standard deviation over the seeds, in points of nDCG@10, and CPU seconds of
    a run with its evaluation. `only`: beginnings of the names of the lines wanted."""
    torch.set_num_threads(1)
    print(f"{describe()}; {rows} rows, {steps} steps of {batch_size} queries, {seeds} seeds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        how = TrainConfig(
            output=Path(folder) / "run",
            steps=steps,
            batch_size=batch_size,
            negatives=3,
            learning_rate=learning_rate,
            query_tokens=32,
            passage_tokens=passage_tokens,
            save_every=0,
            device="cpu",
        )
        bench = prepare(Path(folder), data, rows, width, how)
        print(f"{'':<32}" + "".join(f"{f'{dim} dims':>15}" for dim in bench.dims) + "   CPU s")
        for name, change in variants(bench).items():
            if not only or name.startswith(only):
                line(name, change, seeds, bench)


def line(name: str, change: Change, seeds: int, bench: Bench) -> None:
    """Train with every seed and print the mean; of the recipe's models also their average."""
    begin, scores = time.process_time(), []
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        models = []
        for seed in range(seeds):
            config = replace(change(bench.config), seed=seed, output=Path(folder) / str(seed))
            models.append(train(config))
            scores.append(score(models[-1], bench))
        told(name, scores, (time.process_time() - begin) / seeds)
        if name == RECIPE and seeds > 1:
            mixed = soup(models, [1.0] * seeds, Path(folder) / "soup")
            told("  soup of its seeds", [score(mixed, bench)])


def told(name: str, scores: Sequence[Scores], seconds: float | None = None) -> None:
    columns = ""
    for values in zip(*scores, strict=True):
        spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
        columns += f"{100 * mean(values):>9.1f}{spread:<6}"
    print(f"{name:<32}{columns}" + (f"{seconds:>8.0f}" if seconds else ""), flush=True)


def variants(bench: Bench) -> dict[str, Change]:
    """Name -> what is other than in the recipe."""
    rate = bench.config.learning_rate
    return {
        RECIPE: lambda c: c,
        "without focal weights": lambda c: replace(c, focal=0.0),
        "without mixed negatives": lambda c: replace(c, mixed_pairs=0, mixed_lists=0),
        "one hard negative": lambda c: replace(c, negatives=1),
        "without hard negatives": lambda c: replace(c, negatives=0),
        "without Matryoshka": lambda c: replace(c, dims=()),
        "without the ranking filter": lambda c: replace(c, data=(bench.unfiltered,)),
        "batches of mixed tasks": lambda c: replace(c, homogeneous=0.0),
        "without the instruction": lambda c: replace(c, instructions=False),
        "causal": lambda c: replace(c, bidirectional=False),
        "distilled from the miner": lambda c: replace(c, stage="distill"),
        "half the learning rate": lambda c: replace(c, learning_rate=rate / 2),
        "twice the learning rate": lambda c: replace(c, learning_rate=2 * rate),
    }


def prepare(folder: Path, data: Path, count: int, width: int, how: TrainConfig) -> Bench:
    """The model of random weights; rows with their negatives and scores, with and without the filter."""
    rows = pairs(data / "trainpack" / "law.jsonl.gz", count)
    reader = Reader(embedder.load(MINER, "cpu"), folder / "vectors")
    files = {}
    for name, within in (("filtered", 50), ("unfiltered", 0)):
        mined, account = mine(rows, reader, MineConfig(negatives=how.negatives, keep_within=within))
        print(f"{name}: {len(mined)} rows, {dict(account.dropped)} dropped", flush=True)
        files[name] = folder / f"{name}.jsonl"
        write_rows(files[name], iter(mined))
    dims = (width, width // 2, width // 4)
    shape = ScratchConfig(
        output=folder / "random",
        tokenizer=locate(MINER)[1],
        reader="multilingual",
        layers=2,
        width=width,
        heads=width // 64,
        key_heads=1,
        inner=3 * width,
        dims=dims,
    )
    config = replace(how, model=str(scratch(shape)), data=(files["filtered"],), dims=dims)
    evaluate_on = data / "evalpack" / "dev" / "de_law"
    return Bench(folder, files["unfiltered"], evaluate_on, dims, config)


def pairs(file: Path, count: int) -> list[Row]:
    """Headings that ask for their sections, and first sentences for what follows."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    found = [row for row in found if row["lang"] == row["pos_lang"] == "de"]
    random.Random(0).shuffle(found)
    rows = []
    for at, row in enumerate(found[:count]):
        text = row["pos"][0]
        head, dot, rest = text.partition(". ")
        if at % 2 and dot and len(rest) > len(head) > 20:
            rows.append(Row(head, (rest,), task=TASKS[1]))
        else:
            rows.append(Row(row["query"], (text,), task=TASKS[0]))
    return rows


def score(model: Path, bench: Bench) -> Scores:
    """At each width."""
    reader = Reader(embedder.load(str(model), "cpu"))
    return tuple(result.mean() for result in evaluate(reader, [bench.evaluate_on], bench.dims))


if __name__ == "__main__":
    tyro.cli(main)
