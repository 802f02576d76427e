"""Each part of the recipe taken away or changed, three seeds: python -m benchmarks.ablations

all-MiniLM-L6-v2 learns German law, which it hardly knows, so that parts show within seconds of training:
headings and first sentences of `trainpack`'s acts, judged by headings of `evalpack`'s de_law, other acts:
nDCG@10. Passages are cut short on both sides. A seed decides the order of rows, the negatives and the
mixtures. Which way tokens look is tried on kalm-nano, as MiniLM can't be causal. Figures, and what they
can't say: docs/recipe.md.
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
from benchmarks.adaptation import BASE, DATA
from benchmarks.machine import describe
from training.config import MineConfig, TrainConfig
from training.data import Row, read_beir, write_rows
from training.evaluate import evaluate
from training.export import export
from training.mine import mine
from training.reader import Reader
from training.soup import soup
from training.student import Student
from training.train import train

NANO = "kalm-nano"
TASKS = ("heading", "first sentence")
RECIPE = "the recipe"
KEEP = (0.25, 0.5)
"""Shares of the base in the soups of the recipe's models."""
Scores = tuple[float, float]
"""nDCG@10 at full width and at `SMALL`, 0 to 1."""
SMALL = 64
_PROMPT = 32
"""Tokens for it, or it would leave half of a query."""
Change = Callable[[TrainConfig], TrainConfig]


@dataclass(frozen=True)
class Bench:
    """What every run shares."""

    folder: Path
    """The base in our layout is in `base` and, with KaLM's prompt, in `instructed`."""
    unfiltered: Path
    asked: Path
    """A BEIR folder."""
    config: TrainConfig


def main(
    data: Path = DATA,
    rows: int = 600,
    steps: int = 12,
    batch_size: int = 16,
    negatives: int = 3,
    passage_tokens: int = 48,
    learning_rate: float = 2e-4,
    documents: int = 400,
    chars: int = 300,
    seeds: int = 3,
    only: tuple[str, ...] = (),
) -> None:
    """Print the table: mean and standard deviation over the seeds, in points of nDCG@10; how much that is
    above the recipe, seed by seed, as a seed has the same rows in both; CPU seconds of a run with its
    evaluation.

    `documents`: searched, each cut to `chars`; `only`: beginnings of the names of the lines wanted.
    """
    torch.set_num_threads(1)
    print(f"{describe()}; {rows} rows, {steps} steps of {batch_size} queries, {seeds} seeds", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        how = TrainConfig(
            model=BASE,
            output=Path(folder) / "run",
            steps=steps,
            batch_size=batch_size,
            negatives=negatives,
            learning_rate=learning_rate,
            query_tokens=32,
            passage_tokens=passage_tokens,
            kept_tokens=1 << 30,  # the same gradients, sooner
            save_every=0,
            device="cpu",
        )
        asked = ask(data / "evalpack" / "dev" / "de_law", documents, chars, Path(folder) / "asked")
        bench = prepare(Path(folder), data, rows, how, asked)
        print(f"{'':<32}{'full width':>15}{f'{SMALL} dims':>15}{'to the recipe':>15}   CPU s")
        recipe: list[Scores] = []
        for name, change in variants(bench).items():
            if not only or name.startswith(only):
                scores = line(name, change, seeds, bench, recipe)
                recipe = scores if name.endswith(RECIPE) else recipe


def line(name: str, change: Change, seeds: int, bench: Bench, recipe: Sequence[Scores]) -> list[Scores]:
    """Train with every seed and print the mean; of the recipe's models also their soups with the base.
    Returns the scores by seed. `recipe`: its scores, if they are known."""
    begin = time.process_time()
    found: dict[str, list[Scores]] = {name: []}
    config = change(bench.config)
    if not config.steps:
        found[name].append(score(config.model, bench))
        seeds = 1
    for seed in range(seeds if config.steps else 0):
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            output = Path(folder)
            model = train(replace(config, seed=seed, output=output / "run"))
            found[name].append(score(str(model), bench))
            for keep in KEEP if name == RECIPE else ():
                mixed = soup((model, bench.folder / "base"), (1 - keep, keep), output / f"soup {keep}")
                found.setdefault(f"  {keep:.0%} of the base kept", []).append(score(str(mixed), bench))
    seconds = (time.process_time() - begin) / seeds / len(found)
    for of, scores in found.items():
        told(of, scores, seconds, found[name] if name == RECIPE and of != name else recipe)
    return found[name]


def told(name: str, scores: Sequence[Scores], seconds: float, recipe: Sequence[Scores]) -> None:
    columns = [spread(column) for column in zip(*scores, strict=True)]
    same = len(recipe) == len(scores) > 1
    gains = [one[0] - other[0] for one, other in zip(scores, recipe, strict=True)] if same else []
    columns.append(spread(gains, "+") if gains else "")
    print(f"{name:<32}" + "".join(f"{column:>15}" for column in columns) + f"{seconds:>8.0f}", flush=True)


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation, in points."""
    around = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):{sign}.1f}{around}"


def variants(bench: Bench) -> dict[str, Change]:
    """Name -> what is other than in the recipe; without steps the model as it is."""
    rate = bench.config.learning_rate
    return {
        f"{BASE} as it is": lambda c: replace(c, steps=0),
        RECIPE: lambda c: c,
        "half the learning rate": lambda c: replace(c, learning_rate=rate / 2),
        "without focal weights": lambda c: replace(c, focal=0.0),
        "without mixed negatives": lambda c: replace(c, mixed_pairs=0, mixed_lists=0),
        "without hard negatives": lambda c: replace(c, negatives=0),
        "without Matryoshka": lambda c: replace(c, dims=()),
        "without the ranking filter": lambda c: replace(c, data=(bench.unfiltered,)),
        "batches of mixed tasks": lambda c: replace(c, homogeneous=0.0),
        "with KaLM's instruction": lambda c: replace(
            c, model=str(bench.folder / "instructed"), query_tokens=c.query_tokens + _PROMPT
        ),
        "distilled from the base": lambda c: replace(c, stage="distill"),
        f"{NANO} as it is": lambda c: replace(c, model=NANO, steps=0),
        f"{NANO}, the recipe": lambda c: replace(c, model=NANO),
        f"{NANO}, causal": lambda c: replace(c, model=NANO, bidirectional=False),
    }


def prepare(folder: Path, data: Path, count: int, how: TrainConfig, asked: Path) -> Bench:
    """Rows with their negatives and the base's scores, with and without the filter; the base, exported."""
    rows = pairs(data / "trainpack" / "law.jsonl.gz", count)
    reader = Reader(embedder.load(BASE, "cpu"), folder / "vectors")
    files = {}
    for name, within in (("filtered", 50), ("unfiltered", 0)):
        mined, account = mine(rows, reader, MineConfig(negatives=how.negatives, keep_within=within))
        print(f"{name}: {len(mined)} rows, {dict(account.dropped)} dropped", flush=True)
        files[name] = folder / f"{name}.jsonl"
        write_rows(files[name], iter(mined))
    config = replace(how, data=(files["filtered"],))
    student = Student(config)
    export(student, config, folder / "base", rows=[], steps=0)
    student.template = "Instruct: {instruction} \n Query: "
    export(student, config, folder / "instructed", rows=[], steps=0)
    return Bench(folder, files["unfiltered"], asked, config)


def ask(task: Path, documents: int, chars: int, output: Path) -> Path:
    """The first documents of a BEIR folder, cut, and the queries about them."""
    whole = read_beir(task)
    corpus = dict(list(whole.corpus.items())[:documents])
    pairs = [(query, found) for query, known in whole.relevant.items() for found in known if found in corpus]
    output.mkdir()
    for name, texts in (
        ("corpus", {document: text[:chars] for document, text in corpus.items()}),
        ("queries", {query: whole.queries[query] for query, _ in pairs}),
    ):
        lines = (json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
        (output / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    graded = "".join(f"{query}\t{found}\t1\n" for query, found in pairs)
    (output / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{graded}", encoding="utf-8")
    return output


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


def score(model: str, bench: Bench) -> Scores:
    encoder = embedder.load(model, "cpu")
    found = evaluate(Reader(encoder), [bench.asked], (encoder.dim, SMALL))
    full, small = (result.mean() for result in found)
    return full, small


if __name__ == "__main__":
    tyro.cli(main)
