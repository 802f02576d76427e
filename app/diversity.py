"""Maximal marginal relevance (Carbonell and Goldstein 1998): what is found before is not found again."""

import numpy as np

from embedder.encoder import Vectors
from embedder.pooling import normalise


def diversify(relevance: Vectors, vectors: Vectors, diversity: float) -> list[tuple[int, float]]:
    """Every row once, in the order of MMR, with its value when it was taken.

    relevance: (n,), the best 1; vectors: (n, dim), of length 1. A row's value is its relevance, less its
    cosine to the nearest row taken before, weighted 1 - diversity to diversity.

    >>> twin, other = [1.0, 0.0], [0.0, 1.0]
    >>> order = diversify(np.array([1.0, 0.9, 0.5]), np.array([twin, twin, other]), 0.5)
    >>> [row for row, _ in order]
    [0, 2, 1]
    """
    nearest = np.zeros(len(relevance))  # to a row taken before; at first there is none
    left = list(range(len(relevance)))
    order: list[tuple[int, float]] = []
    while left:
        values = (1 - diversity) * relevance[left] - diversity * nearest[left]
        best = int(np.argmax(values))  # the first of equals, which is the more relevant one
        row = left.pop(best)
        order.append((row, float(values[best])))
        similar = vectors @ vectors[row]
        nearest = similar if len(order) == 1 else np.maximum(nearest, similar)
    return order


def middle(windows: Vectors) -> Vectors:
    """One vector `(dim,)` of length 1 for the windows `(windows, dim)` of a passage."""
    mean: Vectors = normalise(windows.mean(axis=0, keepdims=True))[0]
    return mean
