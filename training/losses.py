"""Vectors -> one loss per row: InfoNCE, focal weights, mixed negatives, distillation, Matryoshka, CoSENT.

Scores are cosines. Everything is computed in fp32 or wider, whatever the vectors are in: at a temperature of
0.01 the steps of bf16 near 0.8 are 0.39 apart as logits. Every function gives one loss per row; whoever calls
decides over which rows the mean goes. An excluded score is replaced by the lowest finite number, never by
minus infinity: a row in which everything is excluded then has a finite loss and gradient.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize, softmax, softplus

RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(queries, passages, own) -> one loss per row. queries: (n, dim); passages: (candidates, dim), which all
rows share; own: (n, k, dim), the row's alone. Not normalised."""


def wide(x: Tensor) -> Tensor:
    """In fp32, or in fp64 if it already is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def cosines(queries: Tensor, passages: Tensor) -> Tensor:
    """queries: (n, dim); passages: (candidates, dim) for all, or (n, k, dim) for each its own.
    Returns (n, candidates) or (n, k)."""
    with torch.autocast(queries.device.type, enabled=False):
        q, p = normalize(wide(queries), dim=-1), normalize(wide(passages), dim=-1)
        return torch.einsum("nd,nkd->nk", q, p) if p.ndim == 3 else q @ p.T


def info_nce(scores: Tensor, positive: Tensor, excluded: Tensor, temperature: float) -> Tensor:
    """Minus the log of the positive's share: `-log(exp(s+/t) / sum(exp(s/t)))` (KaLM V2, eq. 3).

    scores: (n, candidates); positive: (n,), the column of each row's positive; excluded: (n, candidates),
    True for what is no candidate. The positive always is one, whatever `excluded` says.
    """
    excluded = excluded.scatter(1, positive[:, None], False)
    logits = (wide(scores) / temperature).masked_fill(excluded, _lowest(scores))
    return -log_softmax(logits, dim=1).gather(1, positive[:, None])[:, 0]


def focal(losses: Tensor, gamma: float) -> Tensor:
    """Weigh rows by how badly they are answered: `(1 - p)^gamma * loss`, where `loss = -log(p)` (KaLM V2).

    The weight carries no gradient: with gamma below 1 that of a row whose p has reached 1 is infinite.
    """
    return (-torch.expm1(-losses.detach())).pow(gamma) * losses


def false_negatives(scores: Tensor, positive: Tensor, margin: float) -> Tensor:
    """True where a candidate scores more than `margin` above the row's positive (Qwen3-Embedding: 0.1).

    scores: (n, candidates), the student's or a teacher's; positive: (n,). Returns (n, candidates).
    """
    best = scores.detach().gather(1, positive[:, None])
    return scores.detach() > best + margin


def mix_pairs(negatives: Tensor, pairs: Tensor, shares: Tensor) -> Tensor:
    """`share * a + (1 - share) * b` of two of a query's hard negatives (KaLM V2, pair-wise mixing).

    negatives: (n, m, dim); pairs: (n, k, 2), which two; shares: (n, k), from Beta(2, 2). Returns (n, k, dim),
    not normalised again: cosines do that, at each width.
    """
    unit = normalize(wide(negatives), dim=-1)
    first, second = (_take(unit, pairs[..., side]) for side in (0, 1))
    shares = shares[..., None].to(unit.dtype)
    return shares * first + (1 - shares) * second


def mix_lists(queries: Tensor, negatives: Tensor, real: Tensor, temperature: float) -> Tensor:
    """The sum of a query's hard negatives, each by its share of the softmax of their cosines to the query
    (KaLM V2, list-wise mixing; the paper's exact weights are not known).

    queries: (n, dim); negatives: (n, m, dim); real: (n, m), False for padding. Returns (n, dim).
    """
    unit = normalize(wide(negatives), dim=-1)
    scores = cosines(queries, unit) / temperature
    shares = softmax(scores.masked_fill(~real, _lowest(scores)), dim=1)
    return torch.einsum("nm,nmd->nd", shares, unit)


def distillation(scores: Tensor, teacher: Tensor, excluded: Tensor, temperature: float) -> Tensor:
    """How far the student's softmax is from the teacher's: `sum(t * (log t - log s))` (KaLM V2.5).

    scores, teacher: (n, candidates); excluded: (n, candidates), from both. By cross-entropy, which NPUs have,
    not by `kl_div` of logs, which they have not.
    """
    student = log_softmax((wide(scores) / temperature).masked_fill(excluded, _lowest(scores)), dim=1)
    target = (wide(teacher) / temperature).masked_fill(excluded, _lowest(wide(teacher))).detach()
    shares = softmax(target, dim=1)
    each = shares * (log_softmax(target, dim=1) - student)
    return each.masked_fill(excluded, 0.0).sum(dim=1)


def cosent(scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """CoSENT: `log(1 + sum(exp((s_j - s_i) / t)))` over all pairs of rows with label i above label j.

    scores, labels: (n,), cosines of scored pairs of texts and how alike people found them. Returns (1,).
    """
    differences = (wide(scores)[None, :] - wide(scores)[:, None]) / temperature  # (i, j): s_j - s_i
    wrong = differences.masked_fill(labels[:, None] <= labels[None, :], _lowest(scores))
    return softplus(torch.logsumexp(wrong.flatten(), dim=0))[None]


def matryoshka(loss: RowLoss, dims: Sequence[int], weights: Sequence[float]) -> RowLoss:
    """Make `loss` the weighted sum of itself over prefixes of the vectors (arXiv:2205.13147)."""

    def over_prefixes(queries: Tensor, passages: Tensor, own: Tensor) -> Tensor:
        parts = [
            weight * loss(queries[:, :dim], passages[:, :dim], own[..., :dim])
            for dim, weight in zip(dims, weights, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    return over_prefixes


def _lowest(x: Tensor) -> float:
    """Of what `x` is computed in; a quarter of it, so that sums of two stay finite."""
    return torch.finfo(torch.promote_types(x.dtype, torch.float32)).min / 4


def _take(rows: Tensor, at: Tensor) -> Tensor:
    """rows: (n, m, dim); at: (n, k). Returns (n, k, dim)."""
    return rows.gather(1, at[..., None].expand(-1, -1, rows.shape[-1]))
