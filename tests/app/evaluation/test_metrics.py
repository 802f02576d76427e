"""The formulas against values written out by hand."""

from math import log2

import numpy as np
import pytest

from app.evaluation import metrics
from app.evaluation.schemas import MEASURES

GRADES = [3.0, 1.0]
RANKING = [[], [1], [], [0]]
"""The lesser one second, the better one fourth."""


def test_ndcg_is_the_sum_written_out() -> None:
    found = 1 / log2(3) + 3 / log2(5)
    ideal = 3 / log2(2) + 1 / log2(3)

    assert metrics.ndcg(RANKING, GRADES) == pytest.approx(found / ideal)


def test_what_comes_after_rank_ten_adds_nothing_to_ndcg() -> None:
    assert metrics.ndcg([[]] * 10 + [[0]], [1.0]) == 0
    assert metrics.ndcg([[]] * 9 + [[0]], [1.0]) == pytest.approx(1 / log2(11))


def test_the_ideal_ranking_has_ndcg_1_even_of_more_than_ten() -> None:
    assert metrics.ndcg([[number] for number in range(12)], [2.0] * 12) == pytest.approx(1)


def test_recall_counts_what_the_first_ranks_show() -> None:
    assert [metrics.recall(RANKING, GRADES, k) for k in (1, 2, 3, 4)] == [0, 0.5, 0.5, 1]


def test_the_reciprocal_rank_is_that_of_the_first_right_one() -> None:
    assert metrics.reciprocal_rank(RANKING) == 0.5
    assert metrics.reciprocal_rank([[], []]) == 0


def test_every_measure_is_there_and_1_for_a_perfect_ranking() -> None:
    assert metrics.measure([[0]], [1.0]) == dict.fromkeys(MEASURES, 1.0)
    assert set(metrics.measure([], [1.0]).values()) == {0.0}


def test_ndcg_agrees_with_the_packs_own() -> None:
    from benchmarks.evalpack import Task, ndcg

    scores = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    relevant = [{number % 30: 1.0, (number * 7 + 3) % 30: 2.0} for number in range(20)]
    task = Task("t", [], [], [], [], [], [], [], relevant)
    rankings = []
    for row, judged in zip(scores, relevant, strict=True):
        order = np.argsort(-row, kind="stable").tolist()
        known = list(judged)
        rankings.append([[known.index(at)] if at in judged else [] for at in order])

    ours = [
        metrics.ndcg(ranking, list(judged.values()))
        for ranking, judged in zip(rankings, relevant, strict=True)
    ]

    assert ours == pytest.approx(ndcg(scores, task).tolist())


def test_a_right_answer_in_another_language_is_no_mistake_of_this_one() -> None:
    assert metrics.only([[0], [1], [], [2]], [1, 2]) == [[1], [], [2]]


def test_an_interval_holds_its_mean_and_is_the_same_every_time() -> None:
    values = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0]] * 25)

    first, constant = metrics.estimates(values)

    assert first.value == 0.5
    # 1.96 x the standard error, 0.05
    assert (first.low, first.high) == pytest.approx((0.402, 0.598), abs=0.02)
    assert constant.value == constant.low == constant.high == 1
    assert metrics.estimates(values) == [first, constant]
    assert metrics.estimates(values, seed=1) != [first, constant]


def test_more_queries_make_a_narrower_interval() -> None:
    few, many = (metrics.estimates(np.array([[0.0], [1.0]] * times))[0] for times in (10, 1000))

    assert many.high - many.low < (few.high - few.low) / 5


def test_p_is_small_for_a_steady_gain_and_large_for_none() -> None:
    rng = np.random.default_rng(0)

    assert metrics.p_value(np.full(50, 0.1)) == pytest.approx(2 / 1001)
    assert metrics.p_value(rng.normal(0.1, 0.1, 100)) < 0.01
    assert metrics.p_value(np.array([0.1, -0.1] * 50)) > 0.5
    assert metrics.p_value(np.zeros(10)) == 1
