"""Token states -> one unit vector: pool, normalise, truncate, each written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedder.encoder import Pooling, Vectors
from embedder.errors import UnknownDim

if TYPE_CHECKING:  # torch takes a second to import, and truncating needs none of it
    from torch import Tensor


def pool(hidden: Tensor, spans: Sequence[tuple[int, int]], how: Pooling) -> Tensor:
    """One vector per span of tokens.

    hidden: (tokens, dim); spans: [begin, end) in tokens, none empty, in any order, overlapping or not.
    Returns (spans, dim) in fp32, not normalised.
    """
    import torch

    if how == "cls":
        return hidden[[begin for begin, _ in spans]].float()
    if how == "last":
        return hidden[[end - 1 for _, end in spans]].float()
    return torch.stack([hidden[begin:end].mean(dim=0, dtype=torch.float32) for begin, end in spans])


def truncate(vectors: Vectors, dim: int) -> Vectors:
    """The first `dim` numbers of each vector, brought back to length 1.

    vectors: (n, full width), unit length. A prefix of a unit vector is shorter than 1, so the
    rescale is what keeps dot product and cosine the same thing. Raises UnknownDim if `dim` does not fit.

    >>> truncate(np.array([[0.6, 0.8, 0.0]], np.float32), 1).tolist()
    [[1.0]]
    """
    if not 0 < dim <= vectors.shape[1]:
        raise UnknownDim(f"{dim} dims can't be cut from {vectors.shape[1]}")
    return vectors if dim == vectors.shape[1] else normalise(vectors[:, :dim])


def normalise(vectors: Vectors) -> Vectors:
    """Every row scaled to length 1; a row of zeros stays zeros. (n, dim) float32 in and out."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def require_dim(dim: int | None, dims: tuple[int, ...], name: str) -> int:
    """The width to give: full for None. Raises UnknownDim for one the model does not have."""
    if dim is None:
        return dims[0]
    if dim not in dims:
        raise UnknownDim(f"{name} has {', '.join(map(str, dims))} dims, not {dim}")
    return dim
