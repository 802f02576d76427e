"""Pooling, truncating, normalising: against their definitions."""

import numpy as np
import pytest
import torch

from embedder.errors import UnknownDim
from embedder.pooling import normalise, pool, truncate


def test_pooling_equals_its_definition() -> None:
    hidden = torch.arange(24, dtype=torch.bfloat16).reshape(8, 3)  # (tokens, dim)
    spans = [(0, 2), (2, 8), (1, 3)]

    for row, (begin, end) in enumerate(spans):
        tokens = hidden[begin:end].float()
        assert torch.equal(pool(hidden, spans, "mean")[row], tokens.mean(dim=0))
        assert torch.equal(pool(hidden, spans, "cls")[row], tokens[0])
        assert torch.equal(pool(hidden, spans, "last")[row], tokens[-1])


def test_a_truncated_vector_has_length_one() -> None:
    vectors = normalise(np.random.default_rng(0).standard_normal((50, 32), dtype=np.float32))

    assert np.linalg.norm(truncate(vectors, 8), axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert truncate(vectors, 32) is vectors
    with pytest.raises(UnknownDim, match="33 dims can't be cut from 32"):
        truncate(vectors, 33)


def test_a_vector_of_zeros_stays_what_it_is() -> None:
    assert not normalise(np.zeros((2, 3), np.float32)).any()
