"""Pooling, truncating, normalising: against their definitions."""

import numpy as np
import pytest
import torch

from embedder.errors import UnknownDim
from embedder.pooling import normalise, pool, truncate


def test_pooling_equals_its_definition() -> None:
    hidden = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)  # (batch, tokens, dim)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])

    for row, real in enumerate([2, 4]):
        tokens = hidden[row, :real]
        assert torch.equal(pool(hidden, mask, "mean")[row], tokens.mean(dim=0))
        assert torch.equal(pool(hidden, mask, "cls")[row], tokens[0])
        assert torch.equal(pool(hidden, mask, "last")[row], tokens[-1])
    assert torch.equal(pool(hidden, torch.zeros_like(mask), "mean"), torch.zeros(2, 3))


def test_a_truncated_vector_has_length_one() -> None:
    vectors = normalise(np.random.default_rng(0).standard_normal((50, 32), dtype=np.float32))

    assert np.linalg.norm(truncate(vectors, 8), axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert truncate(vectors, 32) is vectors
    with pytest.raises(UnknownDim, match="33 dims can't be cut from 32"):
        truncate(vectors, 33)


def test_a_vector_of_zeros_stays_what_it_is() -> None:
    assert not normalise(np.zeros((2, 3), np.float32)).any()
