"""Batches: within their budget, and complete."""

from embedder.batching import plan


def test_a_batch_stays_within_its_budget_and_holds_every_text_once() -> None:
    lengths = [5, 300, 1, 77, 64, 64, 2, 900, 31]

    batches = list(plan(lengths, budget=320))

    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[position] for position in batch) <= 320


def test_nothing_to_do_is_no_batch() -> None:
    assert list(plan([], budget=10)) == []
