"""Encoders over an evaluation pack, task by task and width by width: python -m benchmarks.encoders PACK

Dense search alone: chunks and windows as the product makes them, exact search, a document as near as its
nearest window. Beside them the pack's BM25.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

import embedder
from benchmarks import evalpack
from embedder.encoder import Encoder, Vectors
from embedder.fitting import fit
from embedder.pooling import truncate
from ingest import windows
from ingest.pipeline import default_chunking


@dataclass(frozen=True, slots=True)
class Found:
    by_dim: list[float]
    """nDCG@10, the full width first."""
    by_language: dict[str, float]
    """At full width, of the queries' language."""


def main(
    pack: Annotated[Path, tyro.conf.Positional],
    models: tuple[str, ...] = ("kalm-nano", "all-MiniLM-L6-v2"),
    only: tuple[str, ...] = (),
    threads: int = 1,
) -> None:
    """Print nDCG@10 x 100: a line per task as it is done, then means."""
    torch.set_num_threads(threads)
    encoders = [embedder.load(name, "cpu", threads=threads) for name in models]
    references = evalpack.references(pack)
    heads = [f"{encoder.name} {'/'.join(map(str, encoder.dims))}" for encoder in encoders]
    print(f"| task | BM25 | {' | '.join(heads)} |\n|---|{'---|' * (1 + len(heads))}")
    table, languages = [], []
    for task in evalpack.tasks(pack, only):
        row = [measure(task, encoder) for encoder in encoders]
        reference = references.get(task.name, float("nan"))
        print(f"| {task.name} | {_points([reference])} | {_cells([one.by_dim for one in row])} |", flush=True)
        table.append((reference, row))
        languages.append((task.name, row[0].by_language))
    means = [np.mean([row[at].by_dim for _, row in table], axis=0).tolist() for at in range(len(encoders))]
    print(f"| mean | {_points([float(np.mean([one for one, _ in table]))])} | {_cells(means)} |")
    for encoder, mean in zip(encoders, means, strict=True):
        print(f"{encoder.name} keeps {_points([one / mean[0] for one in mean])} % of the mean by width")
    for name, scores in languages:
        if len(scores) > 1:
            ranked = sorted(scores.items(), key=lambda one: -one[1])
            print(f"{name}: {' '.join(f'{language} {100 * value:.0f}' for language, value in ranked)}")


def measure(task: evalpack.Task, encoder: Encoder) -> Found:
    """Search the task exactly at each width."""
    chunking = default_chunking(encoder)
    vectors: list[Vectors] = []
    sizes = []  # windows of each document
    for chunks in evalpack.chunked(task, encoder):
        found = windows.encode(chunks, encoder, chunking)
        sizes.append(sum(map(len, found)))
        vectors += found
    documents = np.concatenate(vectors)
    begins = np.cumsum(sizes) - sizes
    queries = encoder.encode_queries([fit(query, encoder)[0] for query in task.queries])
    by_dim = []
    by_language: dict[str, float] = {}
    for dim in encoder.dims:
        cosines = truncate(queries, dim) @ truncate(documents, dim).T
        values = evalpack.ndcg(np.maximum.reduceat(cosines, begins, axis=1) + 2, task)
        by_dim.append(float(values.mean()))
        if not by_language:
            asked = np.array(task.languages)
            by_language = {name: float(values[asked == name].mean()) for name in sorted(set(asked.tolist()))}
    return Found(by_dim, by_language)


def _cells(rows: list[list[float]]) -> str:
    return " | ".join(_points(row) for row in rows)


def _points(values: list[float]) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in values)


if __name__ == "__main__":
    tyro.cli(main)
