"""An encoder and BEIR folders -> nDCG@10, recall and MRR at each width, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedder.encoder import Vectors
from embedder.pooling import truncate
from training.data import Beir, read_beir
from training.search import nearest

DEPTH = 100
"""Hits that count for recall."""
_RESAMPLES = 1000
PerQuery = NDArray[np.float64]


class Searcher(Protocol):
    """What is evaluated: a `Reader`, a model in training, or an encoder whose texts all fit."""

    dims: tuple[int, ...]

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...
    def encode_documents(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Result:
    """One task at one width."""

    task: str
    dim: int
    metrics: dict[str, PerQuery]
    """Name -> one value per query, 0 to 1, in the order of `queries`."""
    queries: list[str] = field(repr=False)
    languages: list[str] = field(repr=False)

    def mean(self, metric: str = "ndcg_at_10") -> float:
        return float(self.metrics[metric].mean())

    def interval(self, metric: str = "ndcg_at_10") -> tuple[float, float]:
        """Between which the mean lies with 95 %, by resampling the queries."""
        return interval(self.metrics[metric])

    def by_language(self, metric: str = "ndcg_at_10") -> dict[str, float]:
        values, languages = self.metrics[metric], np.array(self.languages)
        return {
            str(language): float(values[languages == language].mean()) for language in np.unique(languages)
        }


def evaluate(model: Searcher, folders: Sequence[Path], dims: Sequence[int] = ()) -> list[Result]:
    """Search each folder's corpus for its queries, at `dims` (the model's own by default). Raises BadData."""
    results = []
    for folder in folders:
        task = read_beir(folder)
        asked = [query for query in task.queries if query in task.relevant]
        documents = list(task.corpus)
        queries = model.encode_queries([task.queries[query] for query in asked])
        corpus = model.encode_documents([task.corpus[document] for document in documents])
        for dim in dims or model.dims:
            _, found = nearest(truncate(np.asarray(queries), dim), truncate(np.asarray(corpus), dim), DEPTH)
            ranked = [[documents[at] for at in row] for row in found]
            languages = [task.languages[query] for query in asked]
            results.append(Result(task.name, dim, measure(task, asked, ranked), asked, languages))
    return results


def measure(task: Beir, asked: Sequence[str], ranked: Sequence[Sequence[str]]) -> dict[str, PerQuery]:
    """Metric -> its value for each query; ranked: document ids, best first.

    nDCG with the grades as gains, as trec_eval has it; recall of all relevant documents; MRR of the first 10.
    """
    values: dict[str, list[float]] = {
        "ndcg_at_10": [],
        "recall_at_10": [],
        "recall_at_100": [],
        "mrr_at_10": [],
    }
    discounts = 1 / np.log2(np.arange(2, 12))
    for query, documents in zip(asked, ranked, strict=True):
        relevant = task.relevant[query]
        gains = np.array([relevant.get(document, 0) for document in documents[:10]], float)
        ideal = np.sort(np.array(list(relevant.values()), float))[::-1][:10]
        hits = np.flatnonzero(gains)
        best = ideal @ discounts[: len(ideal)]
        values["ndcg_at_10"].append(float(gains @ discounts[: len(gains)] / best))
        values["mrr_at_10"].append(1 / (hits[0] + 1) if len(hits) else 0.0)
        for depth in (10, 100):
            share = sum(document in relevant for document in documents[:depth]) / len(relevant)
            values[f"recall_at_{depth}"].append(share)
    return {name: np.array(column) for name, column in values.items()}


def difference(one: Result, other: Result, metric: str = "ndcg_at_10") -> tuple[float, float, float]:
    """(how much better `other` is on average, and the ends of the 95 % interval), query by query."""
    assert one.queries == other.queries
    gains = other.metrics[metric] - one.metrics[metric]
    return float(gains.mean()), *interval(gains)


def quick(model: Searcher, folders: Sequence[Path]) -> dict[str, float]:
    """ "task@dim" -> nDCG@10, and their mean per width: what is worth a line in a training log."""
    results = evaluate(model, folders)
    scores = {f"{result.task}@{result.dim}": result.mean() for result in results}
    for dim in dict.fromkeys(result.dim for result in results):
        means = [result.mean() for result in results if result.dim == dim]
        scores[f"mean@{dim}"] = sum(means) / len(means)
    return scores


def table(results: Sequence[Result]) -> str:
    """For people: a line per task and width."""
    lines = [
        f"{'task':<24}{'dim':>5}  {'nDCG@10':>8}  {'95 %':^15}  {'R@10':>6}  {'R@100':>6}  {'MRR@10':>6}"
    ]
    for result in results:
        low, high = result.interval()
        others = "  ".join(
            f"{result.mean(name):6.3f}" for name in ("recall_at_10", "recall_at_100", "mrr_at_10")
        )
        lines.append(
            f"{result.task:<24}{result.dim:>5}  {result.mean():8.4f}  {low:.4f}-{high:.4f}  {others}"
        )
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> list[Mapping[str, object]]:
    return [
        {
            "task": result.task,
            "dim": result.dim,
            **{name: result.mean(name) for name in result.metrics},
            "interval": result.interval(),
            "by_language": result.by_language(),
        }
        for result in results
    ]


def interval(values: PerQuery) -> tuple[float, float]:
    """Between which the mean of the values lies with 95 %, by resampling them."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
