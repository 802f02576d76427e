"""Which rows share a step: the same for everybody, from any point on."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from training.batches import Groups, Plan, steps
from training.config import TaskSettings, TrainConfig
from training.data import Row
from training.errors import BadData

CONFIG = TrainConfig(batch_size=4, negatives=2)
KALM = "Instruct: {instruction} \n Query: "


def rows(count: int = 40, task: str = "a") -> list[Row]:
    return [
        Row(f"{task} q{at}", (f"{task} p{at}",), (f"{task} n{at}", f"{task} m{at}"), task=task)
        for at in range(count)
    ]


def tasks_of(plan: Plan, every: list[Row]) -> list[set[str]]:
    return [{every[at].task for at in batch} for batch in plan.epoch(0)]


def test_every_row_comes_once_an_epoch_in_another_order_each_time() -> None:
    plan = Plan(rows(), CONFIG)

    first, second = (np.concatenate(plan.epoch(epoch)).tolist() for epoch in (0, 1))

    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert first == np.concatenate(Plan(rows(), CONFIG).epoch(0)).tolist()


def test_batches_are_of_one_task_save_what_is_left_over() -> None:
    every = rows(18, "a") + rows(22, "b")

    found = tasks_of(Plan(every, CONFIG), every)

    assert len(found) == 10
    assert sum(len(tasks) > 1 for tasks in found) == 1


def test_semi_homogeneous_batches_exchange_their_last_rows() -> None:
    every = rows(40, "a") + rows(40, "b")
    plan = Plan(every, replace(CONFIG, homogeneous=0.5, batch_size=8))

    batches = plan.epoch(0)

    for batch in batches:
        assert len({every[at].task for at in batch[:4]}) == 1
    assert any(len({every[at].task for at in batch}) == 2 for batch in batches)
    assert sorted(np.concatenate(batches).tolist()) == list(range(80))


def test_a_text_comes_once_in_a_batch() -> None:
    every = rows(20) + [replace(row, query=f"again {row.query}") for row in rows(20)]

    for batch in Plan(every, CONFIG).epoch(0):
        assert len({every[at].positives[0] for at in batch}) == 4


def test_scored_pairs_are_never_mixed_with_others() -> None:
    every = rows(20) + [Row(f"s{at}", (f"t{at}",), score=1.0, task="sts") for at in range(10)]

    for tasks in tasks_of(Plan(every, replace(CONFIG, homogeneous=0.0)), every):
        assert tasks in ({"a"}, {"sts"})


def test_small_tasks_come_more_often_with_a_smaller_exponent_or_a_weight() -> None:
    every = rows(90, "big") + rows(10, "small")

    def share(**settings: object) -> float:
        drawn = np.concatenate(Plan(every, replace(CONFIG, **settings)).epoch(0))  # type: ignore[arg-type]
        return float(np.mean([every[at].task == "small" for at in drawn]))

    assert share() == pytest.approx(0.1)
    assert share(task_exponent=0.5) == pytest.approx(0.25, abs=0.02)
    assert share(tasks={"small": TaskSettings(weight=9.0)}) == pytest.approx(0.5, abs=0.02)


def test_steps_from_the_middle_are_those_of_the_whole() -> None:
    plan = Plan(rows(), CONFIG)
    whole = [(epoch, batch.tolist()) for epoch, batch in islice(steps(plan, 0), 35)]

    for start in (3, 10, 27):
        late = [(epoch, batch.tolist()) for epoch, batch in islice(steps(plan, start), 35 - start)]
        assert late == whole[start:]


def test_too_few_rows_are_refused_with_what_to_do() -> None:
    with pytest.raises(BadData, match="3 rows are less than one batch of 4: lower --batch-size"):
        Plan(rows(3), CONFIG)


def test_a_group_is_the_same_whenever_it_is_drawn_and_another_each_epoch() -> None:
    every = [Row("q", ("p", "P", "π"), tuple("abcdefgh"), task="t")]
    groups = Groups(every, CONFIG, KALM, "")

    first = groups.draw(0, 0)

    assert first == Groups(every, CONFIG, KALM, "").draw(0, 0)
    assert len({groups.draw(0, epoch).passages for epoch in range(5)}) > 1
    assert first.query == "Instruct: Given a query, retrieve documents that answer the query \n Query: q"
    assert len(first.passages) == 3
    assert first.pairs in (((0, 1),), ((1, 0),))


def test_an_instruction_that_is_in_the_query_is_not_put_there_again() -> None:
    groups = Groups([Row("Instruct: x \n Query: q", ("p",), task="t")], CONFIG, KALM, "")

    assert groups.draw(0, 0).query == "Instruct: x \n Query: q"


def test_pretraining_takes_no_hard_negatives() -> None:
    assert len(Groups(rows(), replace(CONFIG, stage="pretrain"), "", "").draw(0, 0).passages) == 1


def test_examples_of_a_label_are_positives_and_those_of_others_negatives() -> None:
    every = [
        Row(f"{label} {at}", label=label, task="t") for label in ("sport", "art", "war") for at in range(5)
    ]
    groups = Groups(every, CONFIG, KALM, "")

    for at, row in enumerate(every):
        group = groups.draw(at, 0)
        positive, *negatives = (text.rpartition("Query: ")[2] for text in group.passages)
        assert positive.startswith(row.label)
        assert positive != row.query
        assert not any(negative.startswith(row.label) for negative in negatives)
        assert not group.in_batch


def test_one_label_is_no_task() -> None:
    with pytest.raises(BadData, match="has one label, 'sport'"):
        Groups([Row("a", label="sport", task="t")], CONFIG, KALM, "")
