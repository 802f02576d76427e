"""A batch in parts gives the gradient of the batch as a whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.test_student import SEQUENCES, student
from training import gradcache, losses
from training.student import Student


def loss(vectors: Tensor) -> tuple[float, int]:
    """The first of the sequences is the query, the second its positive."""
    scores = losses.cosines(vectors[:1], vectors[1:])
    value = losses.info_nce(scores, torch.tensor([0]), torch.zeros_like(scores, dtype=torch.bool), 0.1)
    value.backward()  # type: ignore[no-untyped-call]
    return value.item(), len(vectors)


def gradient(ours: Student, batch_tokens: int, kept_tokens: int = 0) -> tuple[float, Tensor]:
    ours.arena.grads.zero_()
    value, count = gradcache.step(
        ours, SEQUENCES, loss, batch_tokens=batch_tokens, kept_tokens=kept_tokens, seed=3
    )
    assert count == len(SEQUENCES)
    return value, ours.arena.grads.clone()


@pytest.mark.parametrize("kind", ["qwen2", "bert"])
@pytest.mark.parametrize(("batch_tokens", "kept_tokens"), [(1, 0), (8, 0), (8, 12), (8, 1000)])
def test_parts_give_the_gradient_of_the_whole(
    folder: Callable[[str], Path], kind: str, batch_tokens: int, kept_tokens: int
) -> None:
    ours = student(folder(kind))
    ours.network.eval()

    value, whole = gradient(ours, 1000)
    same, parts = gradient(ours, batch_tokens, kept_tokens)

    assert same == pytest.approx(value, rel=1e-6)
    assert (parts - whole).norm() < 1e-5 * whole.norm()


def test_dropout_drops_the_same_in_both_passes(folder: Callable[[str], Path]) -> None:
    ours = student(folder("bert"))
    ours.network.train()

    _, cached = gradient(ours, 8)
    _, kept = gradient(ours, 8, kept_tokens=1000)
    ours.network.eval()
    _, still = gradient(ours, 8)

    assert torch.allclose(cached, kept, atol=1e-6)
    assert not torch.allclose(cached, still, atol=1e-3)


def test_the_order_of_sequences_is_kept(qwen: Path) -> None:
    ours = student(qwen)
    seen: list[Tensor] = []

    def look(vectors: Tensor) -> tuple[float, None]:
        seen.append(vectors.detach().clone())
        vectors.sum().backward()  # type: ignore[no-untyped-call]
        return 0.0, None

    gradcache.step(ours, SEQUENCES, look, batch_tokens=8)

    for ids, vector in zip(SEQUENCES, seen[0], strict=True):
        assert torch.allclose(vector, ours.vectors([ids])[0].detach(), atol=1e-5)
