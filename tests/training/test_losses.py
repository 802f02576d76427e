"""Each loss against its formula, written out in plain Python."""

import math
import random

import pytest
import torch
from torch import Tensor

from training import losses

N, M, DIM = 4, 3, 6


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def share(values: list[float], at: int, temperature: float) -> float:
    return math.exp(values[at] / temperature) / sum(math.exp(value / temperature) for value in values)


def nothing(scores: Tensor) -> Tensor:
    return torch.zeros_like(scores, dtype=torch.bool)


def test_info_nce_is_its_formula() -> None:
    queries, passages = vectors(N, DIM), vectors(N * (1 + M), DIM, seed=1)
    positive = torch.arange(N)

    scores = losses.cosines(queries, passages)
    found = losses.info_nce(scores, positive, nothing(scores), 0.05)

    for i in range(N):
        row = [cosine(queries[i].tolist(), passage) for passage in passages.tolist()]
        assert found[i].item() == pytest.approx(-math.log(share(row, i, 0.05)), abs=1e-12)


def test_what_is_excluded_counts_for_nothing_but_the_positive_always_counts() -> None:
    scores, positive = vectors(N, 6).tanh(), torch.tensor([0, 1, 2, 3])
    excluded = vectors(N, 6, seed=2) > 0
    excluded[0] = True

    found = losses.info_nce(scores, positive, excluded, 0.1)

    for i in range(N):
        kept = [j for j in range(6) if j == i or not excluded[i, j]]
        row = [scores[i, j].item() for j in kept]
        assert found[i].item() == pytest.approx(-math.log(share(row, kept.index(i), 0.1)), abs=1e-12)
    assert found[0] == 0


def test_focal_is_its_formula() -> None:
    scores, positive = vectors(N, 5).tanh(), torch.arange(N)

    plain = losses.info_nce(scores, positive, nothing(scores), 0.2)
    found = losses.focal(plain, 0.5)

    for i in range(N):
        p = share(scores[i].tolist(), i, 0.2)
        assert found[i].item() == pytest.approx((1 - p) ** 0.5 * -math.log(p), abs=1e-12)


def test_gamma_0_is_info_nce_to_the_bit() -> None:
    scores = vectors(N, 5).tanh().float()
    scores[0] = torch.tensor([1.0, -1, -1, -1, -1])
    scores.requires_grad_()
    plain = losses.info_nce(scores, torch.arange(N), nothing(scores), 0.01)

    same = losses.focal(plain, 0.0)

    assert torch.equal(same, plain)
    first = torch.autograd.grad(plain.sum(), scores, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(same.sum(), scores)[0], first)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_saturated_row_has_no_nan(gamma: float) -> None:
    scores = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], requires_grad=True)
    excluded = torch.tensor([[False, True], [False, False], [True, True]])
    positive = torch.zeros(3, dtype=torch.long)

    row = losses.focal(losses.info_nce(scores, positive, excluded, 0.001), gamma)
    row = row + losses.distillation(scores, scores.detach().flip(1), excluded, 0.001)
    row.sum().backward()

    assert row.isfinite().all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_scores_are_not_in_bf16_even_where_the_model_is() -> None:
    query, passages = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.8, 0.6], [0.8005, 0.599333]])

    with torch.autocast("cpu", torch.bfloat16):
        scores = losses.cosines(query, passages)

    assert scores.dtype == torch.float32
    assert (scores[0, 1] - scores[0, 0]).item() == pytest.approx(0.0005, abs=1e-5)


def test_a_false_negative_scores_higher_than_the_positive_by_more_than_the_margin() -> None:
    scores = torch.tensor([[0.5, 0.55, 0.65, -1.0]])

    found = losses.false_negatives(scores, torch.tensor([0]), 0.1)

    assert found.tolist() == [[False, False, True, False]]


def test_pairs_are_mixed_by_their_formula() -> None:
    negatives, pairs, shares = (
        vectors(1, M, DIM),
        torch.tensor([[[0, 2], [1, 0]]]),
        torch.tensor([[0.3, 0.9]]),
    )

    found = losses.mix_pairs(negatives, pairs, shares)

    for k, (a, b) in enumerate(pairs[0].tolist()):
        lam = shares[0, k].item()
        first, second = (
            [x / math.hypot(*negatives[0, at].tolist()) for x in negatives[0, at].tolist()] for at in (a, b)
        )
        expected = [lam * x + (1 - lam) * y for x, y in zip(first, second, strict=True)]
        assert found[0, k].tolist() == pytest.approx(expected, abs=1e-12)


def test_lists_are_mixed_by_their_formula_without_the_padding() -> None:
    query, negatives = vectors(1, DIM), vectors(1, M, DIM, seed=1)
    real = torch.tensor([[True, False, True]])

    found = losses.mix_lists(query, negatives, real, 0.5)

    kept = [negatives[0, 0].tolist(), negatives[0, 2].tolist()]
    near = [cosine(query[0].tolist(), negative) for negative in kept]
    expected = [
        sum(share(near, m, 0.5) * kept[m][d] / math.hypot(*kept[m]) for m in range(2)) for d in range(DIM)
    ]
    assert found[0].tolist() == pytest.approx(expected, abs=1e-12)


def test_distillation_is_the_divergence_written_out() -> None:
    scores, teacher = vectors(N, 5).tanh(), vectors(N, 5, seed=1).tanh()
    excluded = nothing(scores)
    excluded[1, 3] = True

    found = losses.distillation(scores, teacher, excluded, 0.3)

    for i in range(N):
        kept = [j for j in range(5) if not excluded[i, j]]
        ours, theirs = ([x[i, j].item() for j in kept] for x in (scores, teacher))
        expected = sum(
            share(theirs, j, 0.3) * math.log(share(theirs, j, 0.3) / share(ours, j, 0.3))
            for j in range(len(kept))
        )
        assert found[i].item() == pytest.approx(expected, abs=1e-12)


def test_a_student_like_its_teacher_has_nothing_to_learn() -> None:
    scores = vectors(N, 5).tanh().requires_grad_()

    found = losses.distillation(scores, scores.detach(), nothing(scores), 0.05)

    assert found.abs().max() < 1e-12
    assert torch.autograd.grad(found.sum(), scores)[0].abs().max() < 1e-12


def test_cosent_is_its_formula() -> None:
    scores, labels = vectors(5).tanh(), torch.tensor([3.0, 1.0, 3.0, 5.0, 0.0])

    found = losses.cosent(scores, labels, 0.05)

    terms = [
        math.exp((scores[j] - scores[i]).item() / 0.05)
        for i in range(5)
        for j in range(5)
        if labels[i] > labels[j]
    ]
    assert found.item() == pytest.approx(math.log(1 + sum(terms)), abs=1e-12)


def test_cosent_of_equal_labels_is_nothing() -> None:
    assert losses.cosent(vectors(3).tanh(), torch.ones(3), 0.05).item() == 0


def test_matryoshka_is_the_weighted_sum_over_renormalised_prefixes() -> None:
    queries, passages, own = vectors(N, DIM), vectors(N, DIM, seed=1), vectors(N, 2, DIM, seed=2)

    def loss(q: Tensor, p: Tensor, o: Tensor) -> Tensor:
        scores = torch.cat([losses.cosines(q, p), losses.cosines(q, o)], dim=1)
        return losses.info_nce(scores, torch.arange(N), nothing(scores), 0.1)

    found = losses.matryoshka(loss, [6, 3], [1.0, 0.3])(queries, passages, own)

    for i in range(N):
        expected = 0.0
        for dim, weight in ((6, 1.0), (3, 0.3)):
            near = [cosine(queries[i, :dim].tolist(), p[:dim]) for p in passages.tolist() + own[i].tolist()]
            expected += weight * -math.log(share(near, i, 0.1))
        assert found[i].item() == pytest.approx(expected, abs=1e-12)


def test_a_thousand_random_rows_agree_in_fp32() -> None:
    rng = random.Random(0)
    scores = torch.tensor([[rng.uniform(-1, 1) for _ in range(20)] for _ in range(1000)])

    narrow = losses.info_nce(scores, torch.zeros(1000, dtype=torch.long), nothing(scores), 0.01)
    exact = losses.info_nce(scores.double(), torch.zeros(1000, dtype=torch.long), nothing(scores), 0.01)

    assert torch.allclose(narrow.double(), exact, atol=1e-4, rtol=1e-5)
