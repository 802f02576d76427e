"""Exact search: the nearest of many vectors, block by block, on any device."""

import numpy as np
import torch
from numpy.typing import NDArray

from embedder.encoder import Vectors

_SCORES = 1 << 24
"""Computed at once."""


def nearest(
    queries: Vectors, documents: Vectors, limit: int, device: str = "cpu"
) -> tuple[Vectors, NDArray[np.int64]]:
    """(scores, positions in `documents`) of each query's nearest, best first: both (queries, limit), or fewer
    columns if there are fewer documents. Vectors of unit length, of any memory (a memmap is read in
    blocks)."""
    limit = min(limit, len(documents))
    rows = max(1, min(len(queries), 1024))
    columns = max(limit, _SCORES // rows)
    scores = np.empty((len(queries), limit), np.float32)
    positions = np.empty((len(queries), limit), np.int64)
    for begin in range(0, len(queries), rows):
        part = torch.from_numpy(np.array(queries[begin : begin + rows])).to(device)
        best = torch.empty(len(part), 0, device=device)
        where = torch.empty(len(part), 0, dtype=torch.int64, device=device)
        for first in range(0, len(documents), columns):
            block = torch.from_numpy(np.array(documents[first : first + columns])).to(device)
            found = part @ block.T
            at = torch.arange(first, first + len(block), device=device).expand(len(part), -1)
            best, order = torch.topk(
                torch.cat([best, found], 1), min(limit, best.shape[1] + len(block)), dim=1
            )
            where = torch.cat([where, at], 1).gather(1, order)
        scores[begin : begin + rows] = best.cpu().numpy()
        positions[begin : begin + rows] = where.cpu().numpy()
    return scores, positions
