"""Which texts share a forward pass: neighbours in length, under a budget of tokens."""

from collections.abc import Iterator, Sequence


def plan(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Batches of positions into `lengths` (tokens), longest texts first.

    A batch holds at most `budget` tokens unless one text alone is longer. Neighbours in length share
    their attention's shape, and where a device pads they need little of it.

    >>> list(plan([5, 1, 4, 1], budget=10))
    [[0, 2, 1], [3]]
    """
    batch: list[int] = []
    tokens = 0
    for position in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batch and tokens + lengths[position] > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(position)
        tokens += lengths[position]
    if batch:
        yield batch
