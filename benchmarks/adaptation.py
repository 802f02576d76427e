"""all-MiniLM-L6-v2 made to know German law: python -m benchmarks.adaptation

The corpus is sections of acts under their headings, `trainpack`'s law in German. Queries are made from
headings and sentences, hard negatives mined, the model trained, averaged with its base. Judged by
`evalpack`'s de_law, whose acts are not in trainpack and whose queries are headings too, which suits the way
queries are made here: nDCG@10, relative, with a bootstrap interval; and by tasks of other domains, for what
was forgotten.

Then sentence-transformers' trainer with the same rows, steps and batch: its cached ranking loss within its
Matryoshka loss, bf16, mini-batches of as many tokens, the same learning rate and schedule. Times are the
process's CPU seconds of training alone, on one thread, so that neighbours count less. Their trainer needs
`accelerate`, which nothing else here does: pip install accelerate.
"""

import gzip
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro

import embedder
from benchmarks.machine import describe
from embedder.locate import locate
from training.adapt import find_negatives, make_queries, train_config
from training.adaptation import Adaptation, AdaptConfig
from training.config import TrainConfig
from training.data import read, read_beir
from training.evaluate import Result, evaluate
from training.export import export
from training.reader import Reader
from training.soup import soup
from training.student import Student
from training.train import train

DATA = Path(__file__).parents[2] / "shared" / "data"
BASE = "all-MiniLM-L6-v2"
ELSEWHERE = ("en_xquad", "en_wiki", "en_scifact")
_ACT = re.compile(r"\(((?:[^()]|\([^()]*\))*)\)$")
"""A heading ends with its act in brackets."""
_RESAMPLES = 10_000


def main(
    output: Path,
    data: Path = DATA,
    language: str = "de",
    passages: int = 4000,
    steps: int = 48,
    batch_size: int = 32,
    negatives: int = 3,
    passage_tokens: int = 96,
    learning_rate: float = 2e-4,
    keep: tuple[float, ...] = (0.0, 0.25, 0.5),
    theirs: bool = False,
    threads: int = 1,
) -> None:
    """Print the tables; what is in `output` already is not done again.

    `keep`: shares of the base that are tried; `theirs`: train sentence-transformers' side as well. The sizes
    are such that a core is done in half an hour: MiniLM learns 2,000 tokens a second there.
    """
    torch.set_num_threads(threads)
    print(describe())
    output.mkdir(parents=True, exist_ok=True)
    corpus = write_corpus(data / "trainpack" / "law.jsonl.gz", language, passages, output / "corpus.jsonl")
    tasks = [data / "evalpack" / "dev" / name for name in (f"{language}_law", *ELSEWHERE)]
    check_apart(corpus, tasks[0])
    plain = AdaptConfig(output=output / "ours", model=BASE, corpus=(corpus,), threads=threads)
    how = replace(
        plain.train,
        steps=steps,
        batch_size=batch_size,
        negatives=negatives,
        passage_tokens=passage_tokens,
        learning_rate=learning_rate,
        log_every=1,
        save_every=0,
    )
    config = prepare(replace(plain, train=how, mine=replace(plain.mine, negatives=negatives)))
    trained, spent = by_us(config)
    print(f"ours: {spent:.0f} CPU seconds of training, {steps} steps of {config.batch_size} queries")
    base = exported_base(config, output / "base")
    sides: dict[str, str] = {"base": BASE}
    for share in keep:
        sides[f"ours, {share:.0%} of the base"] = str(kept(trained, base, share, output))
    if theirs:
        folder, seconds = by_sentence_transformers(config, output / "theirs")
        print(f"sentence-transformers: {seconds:.0f} CPU seconds, {seconds / spent:.2f} times ours")
        sides["sentence-transformers"] = str(folder)
    report({name: evaluate(reader(model, output), tasks, (384,)) for name, model in sides.items()})


def write_corpus(file: Path, language: str, count: int, output: Path) -> Path:
    """Sections under their headings, as a corpus of documents: one act, one document."""
    if output.is_file():
        return output
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row["lang"] == row["pos_lang"] == language]
    random.Random(0).shuffle(rows)
    with output.open("w", encoding="utf-8") as written:
        for row in rows[:count]:
            fields = {"title": row["query"], "text": row["pos"][0], "language": language}
            fields["document"] = act_of(row["query"])
            written.write(json.dumps(fields, ensure_ascii=False) + "\n")
    return output


def act_of(heading: str) -> str:
    found = _ACT.search(heading)
    return found[1] if found else heading


def check_apart(corpus: Path, task: Path) -> None:
    """Stop if an act or a section is both learned from and asked about."""
    asked = read_beir(task)
    learned = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    acts = {row["document"] for row in learned} & {act_of(query) for query in asked.queries.values()}
    texts = {row["text"].strip() for row in learned} & {text.strip() for text in asked.corpus.values()}
    if acts or texts:
        raise SystemExit(f"{task} asks about {len(acts)} acts and {len(texts)} sections of {corpus}")


def prepare(order: AdaptConfig) -> TrainConfig:
    """The pipeline up to training."""
    adaptation = Adaptation(order.output)
    adaptation.begin(order)
    if adaptation.stage() == "queries":
        adaptation.finish("queries", make_queries(order, adaptation, ""))
    if adaptation.stage() == "negatives":
        adaptation.finish("negatives", find_negatives(order, adaptation))
    return train_config(order, order.output / "mined.jsonl")


def by_us(config: TrainConfig) -> tuple[Path, float]:
    """(the model's folder, CPU seconds of training)."""
    told = config.output / "spent.json"
    if not told.is_file():
        begin = time.process_time()
        train(config)
        told.write_text(json.dumps(time.process_time() - begin))
    return config.output / "model", json.loads(told.read_text())


def exported_base(config: TrainConfig, folder: Path) -> Path:
    """The base in our layout, as a soup needs it."""
    return folder if folder.is_dir() else export(Student(config), config, folder, rows=[], steps=0)


def kept(trained: Path, base: Path, share: float, output: Path) -> Path:
    folder = output / f"kept-{share}"
    if not share:
        return trained
    return folder if folder.is_dir() else soup((trained, base), (1 - share, share), folder)


def by_sentence_transformers(config: TrainConfig, output: Path) -> tuple[Path, float]:
    """(the model's folder, CPU seconds of training)."""
    told = output / "spent.json"
    if told.is_file():
        return output / "model", json.loads(told.read_text())
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MatryoshkaLoss,
    )

    rows = [row for row in read(config.data) if len(row.negatives) >= config.negatives]
    columns = {"anchor": [row.query for row in rows], "positive": [row.positives[0] for row in rows]}
    for at in range(config.negatives):
        columns[f"negative_{at + 1}"] = [row.negatives[at] for row in rows]
    model = SentenceTransformer(str(locate(BASE)[1]), device="cpu", local_files_only=True)
    model.max_seq_length = config.passage_tokens
    inner = CachedMultipleNegativesRankingLoss(
        model, scale=1 / config.temperature, mini_batch_num_tokens=config.batch_tokens
    )
    dims, weights = config.widths(384)
    loss = MatryoshkaLoss(model, inner, list(dims), list(weights))
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(output / "run"),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup,  # below 1: a share
        weight_decay=config.weight_decay,
        bf16=True,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        seed=config.seed,
    )
    trainer = SentenceTransformerTrainer(
        model, arguments, train_dataset=Dataset.from_dict(columns), loss=loss
    )
    begin = time.process_time()
    trainer.train()
    seconds = time.process_time() - begin
    model.max_seq_length = 256
    model.save_pretrained(str(output / "model"))
    told.write_text(json.dumps(seconds))
    return output / "model", seconds


def reader(model: str, output: Path) -> Reader:
    return Reader(embedder.load(model, "cpu"), output / "vectors")


def report(found: dict[str, Sequence[Result]]) -> None:
    """nDCG@10 of every task; the gain in the domain, relative, with its interval; the loss elsewhere."""
    base = found["base"]
    print(f"{'':<26}" + "".join(f"{result.task:>12}" for result in base))
    for name, results in found.items():
        line = f"{name:<26}" + "".join(f"{result.mean():>12.4f}" for result in results)
        if name != "base":
            low, high = relative(base[0], results[0])
            gain = results[0].mean() / base[0].mean() - 1
            lost = 100 * np.mean([a.mean() - b.mean() for a, b in zip(results[1:], base[1:], strict=True)])
            line += f"   {gain:+.1%} ({low:+.1%} to {high:+.1%}), elsewhere {lost:+.1f} points"
        print(line)
    ours = [results for name, results in found.items() if name.startswith("ours")]
    theirs = found.get("sentence-transformers")
    if theirs and ours:
        one, other = ours[0][0].metrics["ndcg_at_10"], theirs[0].metrics["ndcg_at_10"]
        low, high = np.percentile(resampled(one - other), [2.5, 97.5])
        print(f"ours less theirs in the domain: {np.mean(one - other):+.4f} ({low:+.4f} to {high:+.4f})")


def relative(base: Result, other: Result) -> tuple[float, float]:
    """Between which the relative gain lies with 95 %, queries drawn anew for both at once."""
    rng = np.random.default_rng(0)
    before, after = base.metrics["ndcg_at_10"], other.metrics["ndcg_at_10"]
    drawn = rng.integers(len(before), size=(_RESAMPLES, len(before)))
    gains = after[drawn].mean(axis=1) / before[drawn].mean(axis=1) - 1
    low, high = np.percentile(gains, [2.5, 97.5])
    return float(low), float(high)


def resampled(values: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)


if __name__ == "__main__":
    tyro.cli(main)
