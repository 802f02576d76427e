"""Rows -> the same rows in tasks of neighbours, so that the passages of a batch are near each other.

Passages drawn at random are told apart by their topic alone. Halved again and again along the direction in
which they differ most, they end in groups whose passages are each other's hard negatives, without a text more
to read (as TAS-B's batches, arXiv:2104.06967).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.data import Row
from training.evaluate import Searcher

_WIDTH = 128
"""Numbers of a vector that are compared; Matryoshka's first say most."""
_TURNS = 3
"""Of the power iteration: near enough."""


def cluster(rows: Sequence[Row], encoder: Searcher, most: int, seed: int = 0) -> list[Row]:
    """Give each row the task "its own/number of its group". A group has at most `most` rows, and half of that
    at least; rows that share their first positive go to groups of other rounds."""
    rng = np.random.default_rng(seed)
    parts: dict[tuple[str, int], list[Row]] = defaultdict(list)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        key = row.task, row.positives[0]
        parts[row.task, seen[key]].append(row)
        seen[key] += 1
    found = []
    for (task, turn), members in parts.items():
        vectors = encoder.encode_documents([row.positives[0] for row in members])[:, :_WIDTH]
        for number, group in enumerate(_halve(vectors, np.arange(len(members)), most, rng)):
            found += [replace(members[at], task=f"{task}/{turn}/{number}") for at in group]
    return found


def _halve(
    vectors: NDArray[np.float32], places: NDArray[np.int64], most: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    if len(places) <= most:
        return [places]
    around = vectors[places] - vectors[places].mean(axis=0)
    direction = around[rng.integers(len(places))]
    for _ in range(_TURNS):
        direction = around.T @ (around @ direction)
        direction /= max(float(np.linalg.norm(direction)), 1e-9)
    order = places[np.argsort(around @ direction, kind="stable")]
    middle = len(order) // 2
    return _halve(vectors, order[:middle], most, rng) + _halve(vectors, order[middle:], most, rng)
