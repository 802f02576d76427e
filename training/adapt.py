"""Documents or pairs -> a model that finds them better, and how much better: every step of the recipe.

    queries      from the documents, by a language model or their own structure; a part is held out
    negatives    hard ones for each, by the base's ranking; pairs whose positive it can't find are dropped
    training     on both; evaluated on what was held out now and then
    soup         the result averaged with the base, so that it forgets less
    comparison   base and candidate on what was held out

Each stage ends with a file, so that a killed adaptation goes on with the stage it was in, and in the midst of
training at its last checkpoint.
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

import embedder
from embedder.layout import read_layout
from embedder.locate import locate
from training import export
from training.adaptation import Adaptation, AdaptConfig, Figures, Stage
from training.batches import Plan
from training.compare import METRIC, compare
from training.config import MineConfig, SynthesizeConfig, TrainConfig
from training.data import Row, read, write_rows
from training.errors import BadData
from training.evaluate import evaluate
from training.holdout import ask, draw, read_corpus, read_pairs, split_pairs, write_lines, write_task
from training.mine import mine
from training.reader import Reader
from training.soup import soup
from training.student import Student
from training.synthesize import synthesize
from training.train import train

log = logging.getLogger(__name__)

_LIVE = {"most_queries": 200, "most_passages": 1000}
"""Of the tasks that are evaluated on during training: seconds each time."""
_LIVE_TIMES = 8
"""During training."""
_TRIED_STEPS = 4
"""To find out how long one takes; the first is left out."""
_SPARE_ROWS = 1.5
"""Rows for each that the steps take: some are dropped, and some come when no batch can take them."""
_LEAST_CHARS = 60
"""Of a passage to learn from."""


def adapt(order: AdaptConfig, *, api_key: str = "") -> Path:
    """Do what is left of an adaptation; returns the candidate's folder. `api_key`: the language model's.
    Raises TrainingError, EncoderError."""
    if order.threads:
        torch.set_num_threads(order.threads)
    adaptation = Adaptation(order.output)
    adaptation.begin(order)
    stages: dict[Stage, Callable[[AdaptConfig, Adaptation], Figures]] = {
        "queries": lambda order, adaptation: make_queries(order, adaptation, api_key),
        "negatives": find_negatives,
        "training": learn,
        "soup": average,
        "comparison": measure,
    }
    while (stage := adaptation.stage()) is not None:
        figures = stages[stage](order, adaptation)
        adaptation.finish(stage, figures)
        log.info("%s: %s", stage, ", ".join(f"{name} {figure:g}" for name, figure in figures.items()))
    return adaptation.candidate


def make_queries(order: AdaptConfig, adaptation: Adaptation, api_key: str) -> Figures:
    """Rows to learn from, and tasks of what is held out."""
    folder, seed = order.output, order.train.seed
    sources = read_corpus(order.corpus)
    held = draw((source.document for source in sources), order.held_out, seed) if sources else frozenset()
    pairs = read_pairs(order.pairs, order.train.task_fields)
    rows, given = split_pairs(pairs, sources, held, order.held_out, seed)
    learned = [source for source in sources if source.document not in held]
    if learned:
        write_lines(
            folder / "learned.jsonl", ({"title": source.title, "text": source.text} for source in learned)
        )
        made = SynthesizeConfig(
            output=folder / "made.jsonl",
            corpus=(folder / "learned.jsonl",),
            least_chars=_LEAST_CHARS,
            seed=seed,
            llm_url=order.llm_url,
            llm_model=order.llm_model,
            personas=order.personas,
            count=order.count,
            languages=order.languages,
        )
        synthesize(made, api_key=api_key)
        rows += read([made.output])
    if not rows:
        raise BadData(
            f"no passage has {_LEAST_CHARS} characters to make a query from: add documents or pairs"
        )
    own = ask(sources, held, _LEAST_CHARS, seed)
    texts = [source.whole for source in sources]
    texts += [text for row, _ in pairs if row.kind == "retrieval" for text in row.positives]
    asked = 0
    for name, questions in (("documents", own), ("pairs", given)):
        sizes = {"most_queries": order.most_queries, "most_passages": order.most_passages}
        asked += write_task(folder / "held-out" / name, questions, texts, **sizes, seed=seed)
        write_task(folder / "live" / name, questions, texts, **_LIVE, seed=seed)
    if not asked:
        raise BadData("nothing to ask about what was held out: add documents, or pairs with other positives")
    write_rows(folder / "pairs.jsonl", iter(rows))
    return {
        "pairs": len(rows),
        "asked": asked,
        "held": len(held),
        "documents": len({s.document for s in sources}),
    }


def find_negatives(order: AdaptConfig, adaptation: Adaptation) -> Figures:
    """Hard ones from all passages that are learned from, for as many rows as there will be time for."""
    rows = list(read([order.output / "pairs.jsonl"]))
    steps, batch = _fix_steps(order, adaptation, rows)
    rng = np.random.default_rng(order.train.seed)
    enough = int(steps * batch * _SPARE_ROWS) + batch
    rows = [rows[at] for at in np.sort(rng.permutation(len(rows))[:enough])]
    encoder = embedder.load(order.model, order.train.device, threads=order.threads or None)
    reader = Reader(encoder, order.output / "vectors")
    mined, account = mine(rows, reader, _narrowed(order.mine, rows), device=encoder.device.partition(",")[0])
    if not mined:
        raise BadData(
            "the base model finds no positive among its first hits: start from another, or pretrain"
        )
    write_rows(order.output / "mined.jsonl", iter(mined))
    return {"rows": len(mined), "dropped": sum(account.dropped.values()), "few": account.few}


def learn(order: AdaptConfig, adaptation: Adaptation) -> Figures:
    """The steps; then the model is in `run/model`."""
    steps = adaptation.steps()
    assert steps is not None  # the stage before fixed them
    config = train_config(order, order.output / "mined.jsonl")
    every = max(1, steps // _LIVE_TIMES)
    train(replace(config, steps=steps, evaluate_every=every, evaluate_on=tuple(adaptation.live)))
    return {"steps": steps, "batch": config.batch_size}


def average(order: AdaptConfig, adaptation: Adaptation) -> Figures:
    """The candidate: the trained model, or its average with the base."""
    output = adaptation.candidate
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(exist_ok=True)
    trained = adaptation.run / "model"
    if not order.keep:
        shutil.copytree(trained, output)
        return {"keep": 0.0}
    config = train_config(order, order.output / "mined.jsonl")
    base = export.export(Student(config), config, order.output / "base", rows=[], steps=0)
    soup((trained, base), (1 - order.keep, order.keep), output)
    return {"keep": order.keep}


def measure(order: AdaptConfig, adaptation: Adaptation) -> Figures:
    """nDCG@10 of base and candidate, by width and language."""
    cache = order.output / "vectors"
    readers = [
        Reader(embedder.load(str(model), order.train.device, threads=order.threads or None), cache)
        for model in (order.model, adaptation.candidate)
    ]
    base, tuned = readers
    before, after = (evaluate(reader, adaptation.held_out, tuned.dims) for reader in (base, tuned))
    gains = compare(before, after)
    adaptation.compare([asdict(gain) for gain in gains])
    for folder in (cache, order.output / "base", order.output / "try"):
        shutil.rmtree(folder, ignore_errors=True)
    whole = [gain for gain in gains if not gain.language]
    full = max(gain.dim for gain in whole)
    first = next(gain for gain in whole if gain.dim == full)
    return {f"{METRIC} before": first.base, f"{METRIC} after": first.candidate}


def train_config(order: AdaptConfig, data: Path) -> TrainConfig:
    """How `train` goes on `data`: at most a quarter of the rows in a batch, widths as the base has them."""
    rows = sum(1 for _ in read([data]))
    batch = min(order.train.batch_size, max(2, rows // 4))
    config = replace(order.train, model=order.model, data=(data,), output=order.output / "run")
    return replace(_with_dims_of_base(config), batch_size=batch)


def _with_dims_of_base(config: TrainConfig) -> TrainConfig:
    """The widths that a Matryoshka base has, as indexes may store them; else those of the recipe."""
    entry, folder = locate(config.model)
    dims = entry.dims if entry else read_layout(folder, entry).dims
    if len(dims) < 2:
        return config
    last = config.dim_weights[-1:]
    return replace(config, dims=dims, dim_weights=config.dim_weights + last * (len(dims) - len(config.dims)))


def _narrowed(config: MineConfig, rows: Sequence[Row]) -> MineConfig:
    """Ranks that the smallest task has, and no filter where all are within it."""
    passages: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.kind == "retrieval":
            passages[row.task].update(row.positives, row.negatives)
    fewest = min(map(len, passages.values()), default=0)
    first = min(config.ranks[0], fewest // 4)
    last = max(first + 1, min(config.ranks[1], fewest // 2))
    within = config.keep_within if fewest > 2 * config.keep_within else 0
    return replace(config, ranks=(first, last), keep_within=within)


def _fix_steps(order: AdaptConfig, adaptation: Adaptation, rows: Sequence[Row]) -> tuple[int, int]:
    """(steps, batch size): what was ordered, at most what fits into the minutes."""
    config = train_config(order, order.output / "pairs.jsonl")
    steps = adaptation.steps()
    if steps is None:
        steps = config.steps or config.epochs * len(Plan(rows, config).epoch(0))
        if order.minutes:
            seconds = _seconds_per_step(config, rows, order.output / "try")
            steps = min(steps, max(1, int(60 * order.minutes / seconds)))
        adaptation.say_steps(steps)
    return steps, config.batch_size


def _seconds_per_step(config: TrainConfig, rows: Sequence[Row], folder: Path) -> float:
    """Tried on steps of the same kind; the negatives are not hard, as none are known yet."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = np.random.default_rng(config.seed)
    some = [row for row in rows if row.kind == "retrieval"]
    some = [some[at] for at in rng.permutation(len(some))[: _TRIED_STEPS * config.batch_size]]
    if len(some) < 2 * config.batch_size:
        return 0.001  # so few rows that time is no matter
    texts = list(dict.fromkeys(text for row in some for text in row.positives))
    drawn = (rng.permutation(len(texts))[: config.negatives + 1] for _ in some)
    given = [
        replace(
            row, negatives=tuple(texts[at] for at in others if texts[at] not in row.positives), task="try"
        )
        for row, others in zip(some, drawn, strict=True)
    ]
    write_rows(folder / "rows.jsonl", iter(given))
    tried = Adaptation(folder)
    steps = max(2, len(given) // config.batch_size - 1)
    train(replace(config, data=(folder / "rows.jsonl",), steps=steps, save_every=0, output=tried.run))
    seconds: list[float] = [line["seconds"] for line in tried.log()[1:]]
    return median(seconds)
