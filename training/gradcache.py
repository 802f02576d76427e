"""A batch of any size in the memory of one forward pass (GradCache, arXiv:2101.06983).

Vectors are made without activations, the loss is taken over all of them, and each part of the batch is then
run again to carry its share of the gradient into the weights. Parts whose activations fit into
`kept_tokens` are run once: the last ones, as theirs are kept until the loss is known.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from embedder.batching import plan

Figures = TypeVar("Figures")


class Vectoriser(Protocol):
    """Token ids -> vectors with gradients."""

    def vectors(self, sequences: Sequence[Sequence[int]]) -> Tensor: ...


def step(
    student: Vectoriser,
    sequences: Sequence[Sequence[int]],
    loss: Callable[[Tensor], tuple[float, Figures]],
    *,
    batch_tokens: int,
    kept_tokens: int = 0,
    seed: int = 0,
) -> tuple[float, Figures]:
    """Add the gradient of `loss(vectors of all sequences)` to the parameters; returns the loss and its
    figures.

    `loss` gets (n, dim), in the order of `sequences`, and sends its gradient back into it. `batch_tokens`:
    of one forward pass. `seed`: of dropout, which must drop the same in both passes.
    """
    parts = list(plan([len(ids) for ids in sequences], batch_tokens))
    sizes = [sum(len(sequences[at]) for at in part) for part in parts]
    first_kept = len(parts) - 1
    while first_kept and sum(sizes[first_kept - 1 :]) <= kept_tokens:
        first_kept -= 1
    found: list[Tensor] = []
    for number, part in enumerate(parts):
        with torch.set_grad_enabled(number >= first_kept):
            found.append(_run(student, [sequences[at] for at in part], seed, number))
    order = torch.tensor([at for part in parts for at in part])
    leaf = torch.cat([vectors.detach() for vectors in found])
    leaf = torch.empty_like(leaf).index_copy_(0, order.to(leaf.device), leaf).requires_grad_()
    value, figures = loss(leaf)
    assert leaf.grad is not None
    for number in reversed(range(len(parts))):  # the kept ones first: their memory is free for the others
        part, grad = parts[number], leaf.grad[parts[number]]
        vectors = found.pop()
        if number < first_kept:
            vectors = _run(student, [sequences[at] for at in part], seed, number)
        vectors.backward(grad.to(vectors.dtype))  # type: ignore[no-untyped-call]
        del vectors
    return value, figures


def _run(student: Vectoriser, sequences: Sequence[Sequence[int]], seed: int, number: int) -> Tensor:
    torch.manual_seed(hash((seed, number)) & 0x7FFFFFFF)  # of every device
    return student.vectors(sequences)
