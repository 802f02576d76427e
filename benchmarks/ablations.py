"""Each part of the recipe taken away or added, three seeds: python -m benchmarks.ablations --data LAW.jsonl …

all-MiniLM-L6-v2 learns from `trainpack`'s German law for a few steps; judged by `evalpack`'s de_law at full
width and at a small one, on other acts than it learned from. Which way tokens look is tried on a small Qwen2
of random weights, as MiniLM can't be causal. So few steps of a small model say what helps at once, not what
helps in the end; a difference below the spread of the seeds says nothing.
"""

import gzip
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import torch
import tyro

import embedder
from benchmarks.adaptation import BASE, DATA
from benchmarks.machine import describe
from embedder.locate import locate
from training.config import MineConfig, ScratchConfig, TrainConfig
from training.data import Row, write_rows
from training.evaluate import evaluate
from training.export import export
from training.mine import mine
from training.reader import Reader
from training.scratch import scratch
from training.soup import soup
from training.student import Student
from training.train import train

TASKS = ("heading", "first sentence")
Change = Callable[[TrainConfig], TrainConfig]


@dataclass(frozen=True)
class Bench:
    """What every run shares."""

    folder: Path
    mined: Path
    unfiltered: Path
    tiny: Path
    evaluate_on: Path
    config: TrainConfig


def main(
    data: Path = DATA, rows: int = 1500, steps: int = 25, seeds: int = 3, only: tuple[str, ...] = ()
) -> None:
    """Print the table: mean and standard deviation over the seeds, in points of nDCG@10."""
    torch.set_num_threads(1)
    print(f"{describe()}; {rows} rows, {steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        bench = prepare(Path(folder), data, rows, steps)
        print(f"{'':<34}{'384 dims':>16}{'64 dims':>16}")
        base = score(BASE, bench)
        print(f"{BASE + ' as it is':<34}{100 * base[0]:>9.1f}{'':7}{100 * base[1]:>9.1f}")
        for name, change in variants(bench).items():
            if only and not name.startswith(only):
                continue
            found = [run(replace(change(bench.config), seed=seed), name, bench) for seed in range(seeds)]
            print(f"{name:<34}" + "".join(told(column) for column in zip(*found, strict=True)), flush=True)


def told(values: tuple[float, ...]) -> str:
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):>10.1f}{spread:<6}"


def variants(bench: Bench) -> dict[str, Change]:
    """Name -> what is other than in the recipe."""
    scores = {"stage": "distill", "distill_share": 0.7, "teacher": BASE}
    small = {"model": str(bench.tiny), "stage": "pretrain", "focal": 0.0, "learning_rate": 1e-3}
    small |= {"steps": 4 * bench.config.steps}
    return {
        "the recipe": lambda c: c,
        "without focal weights": lambda c: replace(c, focal=0.0),
        "without mixed negatives": lambda c: replace(c, mixed_pairs=0, mixed_lists=0),
        "without hard negatives": lambda c: replace(c, negatives=0, mixed_pairs=0, mixed_lists=0),
        "without Matryoshka": lambda c: replace(c, dims=()),
        "without the ranking filter": lambda c: replace(c, data=(bench.unfiltered,)),
        "mixed batches": lambda c: replace(c, homogeneous=0.0),
        "an instruction": lambda c: replace(c, model=str(bench.folder / "instructed")),
        "distilled from the base": lambda c: replace(c, **scores),
        "soup: a quarter of the base": lambda c: c,
        "small Qwen2, bidirectional": lambda c: replace(c, **small),
        "small Qwen2, causal": lambda c: replace(c, **small, bidirectional=False),
    }


def prepare(folder: Path, data: Path, count: int, steps: int) -> Bench:
    """Rows of two tasks with their negatives; a small model; MiniLM with KaLM's prompt."""
    rows = pairs(data / "trainpack" / "law.jsonl.gz", count)
    reader = Reader(embedder.load(BASE, "cpu"), folder / "vectors")
    files = {}
    for name, within in (("mined", 50), ("unfiltered", 0)):
        order = MineConfig(negatives=3, keep_within=within, scores=False)
        mined, account = mine(rows, reader, order)
        print(f"{name}: {len(mined)} rows, {sum(account.dropped.values())} dropped")
        files[name] = folder / f"{name}.jsonl"
        write_rows(files[name], iter(mined))
    tokenizer = locate(BASE)[1]
    shape = ScratchConfig(output=folder / "tiny", tokenizer=tokenizer, layers=2, width=384, heads=6)
    config = TrainConfig(
        model=BASE,
        data=(files["mined"],),
        output=folder / "run",
        steps=steps,
        batch_size=32,
        negatives=3,
        learning_rate=2e-4,
        query_tokens=32,
        passage_tokens=96,
        save_every=0,
        device="cpu",
    )
    student = Student(config)
    student.template = "Instruct: {instruction} \n Query: "
    export(student, config, folder / "instructed", rows=[], steps=0)
    export(Student(config), config, folder / "base", rows=[], steps=0)
    evaluate_on = data / "evalpack" / "dev" / "de_law"
    return Bench(folder, files["mined"], files["unfiltered"], scratch(shape), evaluate_on, config)


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


def run(config: TrainConfig, name: str, bench: Bench) -> tuple[float, float]:
    """nDCG@10 at 384 and at 64 dims of one trained model."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        model = train(replace(config, output=Path(folder) / "run"))
        if name.startswith("soup"):
            model = soup((model, bench.folder / "base"), (0.75, 0.25), Path(folder) / "soup")
        return score(str(model), bench)


def score(model: str, bench: Bench) -> tuple[float, float]:
    results = evaluate(Reader(embedder.load(model, "cpu", "fp32")), [bench.evaluate_on], (384, 64))
    full, small = (result.mean() for result in results)
    return full, small


if __name__ == "__main__":
    tyro.cli(main)
