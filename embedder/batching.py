"""Which texts share a forward pass: neighbours in length, under a budget of tokens."""

from collections.abc import Iterator, Sequence


def plan(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Batches of positions into `lengths` (tokens), longest texts first.

    Sorted by length a batch holds little padding; its padded size, texts x longest, stays within
    `budget` tokens unless one text alone is longer.

    >>> list(plan([5, 1, 4, 1], budget=10))
    [[0, 2], [1, 3]]
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
