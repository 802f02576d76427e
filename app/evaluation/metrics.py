"""Rankings -> nDCG, recall and reciprocal rank, and how sure their means are: formulas only."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from app.evaluation.schemas import Estimate, Measure

Ranking = Sequence[Collection[int]]
"""Best first: which of the relevant ones (by number) each rank shows for the first time."""
Values = npt.NDArray[np.float64]

DEPTH = 10
DRAWS = 1000
_TAIL = 2.5
"""Percent on either side of an interval."""


def measure(ranking: Ranking, grades: Sequence[float]) -> dict[Measure, float]:
    """All measures of one query. grades: of the relevant ones, each above 0.

    The gain is the grade itself, as in trec_eval; the ideal ranking is that of all relevant ones.
    """
    return {
        "ndcg_at_10": ndcg(ranking, grades),
        "recall_at_1": recall(ranking, grades, 1),
        "recall_at_5": recall(ranking, grades, 5),
        "recall_at_10": recall(ranking, grades, 10),
        "recall_at_100": recall(ranking, grades, 100),
        "mrr": reciprocal_rank(ranking),
    }


def ndcg(ranking: Ranking, grades: Sequence[float]) -> float:
    """nDCG@10 with linear gains and log2 discounts (Järvelin and Kekäläinen 2002)."""
    gains = [max((grades[one] for one in found), default=0.0) for found in ranking[:DEPTH]]
    return _dcg(gains) / _dcg(sorted(grades, reverse=True)[:DEPTH])


def recall(ranking: Ranking, grades: Sequence[float], k: int) -> float:
    return len({one for found in ranking[:k] for one in found}) / len(grades)


def reciprocal_rank(ranking: Ranking) -> float:
    """1 / rank of the first relevant one; 0 if none was found."""
    return next((1 / rank for rank, found in enumerate(ranking, 1) if found), 0.0)


def only(ranking: Ranking, kept: Collection[int]) -> list[list[int]]:
    """The ranking with the relevant ones in `kept` alone; a rank that shows others only is left out, being
    right as well.

    >>> only([[0], [], [1]], [1])
    [[], [1]]
    """
    return [[one for one in found if one in kept] for found in ranking if not found or set(found) & set(kept)]


def estimates(values: Values, seed: int = 0) -> list[Estimate]:
    """Mean and 95 % bootstrap interval of each column of `values` (queries, measures)."""
    low, high = np.percentile(_means(values, seed), [_TAIL, 100 - _TAIL], axis=0)
    rows = zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(value=mean, low=least, high=most) for mean, least, most in rows]


def p_value(differences: Values, seed: int = 0) -> float:
    """Two-sided p of a mean of `differences` (queries,) as far from 0, by bootstrap."""
    means = _means(differences[:, None], seed)[:, 0]
    # one more on either side: a thousand draws can't tell p = 0
    sides = (1 + np.count_nonzero(means <= 0), 1 + np.count_nonzero(means >= 0))
    return float(min(1.0, 2 * min(sides) / (1 + DRAWS)))


def _means(values: Values, seed: int) -> Values:
    """(DRAWS, measures): means over as many queries, drawn with replacement."""
    queries = len(values)
    times = np.random.default_rng(seed).multinomial(queries, np.full(queries, 1 / queries), size=DRAWS)
    means: Values = times @ values / queries
    return means


def _dcg(gains: Sequence[float]) -> float:
    return float(np.dot(gains, 1 / np.log2(np.arange(len(gains)) + 2))) if gains else 0.0
