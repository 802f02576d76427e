"""Two models on the same queries -> how much better one is: by task, width and language, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluate import PerQuery, Result, interval

METRIC = "ndcg_at_10"


@dataclass(frozen=True, slots=True)
class Gain:
    """Of some queries; all figures are means of nDCG@10, 0 to 1."""

    task: str
    dim: int
    language: str
    """Empty: all queries of the task."""
    queries: int
    base: float
    candidate: float
    difference: float
    low: float
    """With `high`: between which the difference lies with 95 %, by resampling the queries."""
    high: float

    @property
    def relative(self) -> float:
        """The difference as a share of the base's figure."""
        return self.difference / self.base if self.base else 0.0


def compare(base: Sequence[Result], candidate: Sequence[Result]) -> list[Gain]:
    """A gain for each task and width that both have, then for each language of its queries if there are
    several."""
    others = {(result.task, result.dim): result for result in candidate}
    gains = []
    for one in base:
        other = others.get((one.task, one.dim))
        if other is None:
            continue
        assert one.queries == other.queries
        before, after = one.metrics[METRIC], other.metrics[METRIC]
        gains.append(_gain(one, "", before, after))
        languages = np.array(one.languages)
        named = sorted(set(one.languages) - {""})
        for language in named if len(named) > 1 else ():
            rows = languages == language
            gains.append(_gain(one, language, before[rows], after[rows]))
    return gains


def _gain(result: Result, language: str, before: PerQuery, after: PerQuery) -> Gain:
    low, high = interval(after - before)
    return Gain(
        result.task,
        result.dim,
        language,
        len(before),
        float(before.mean()),
        float(after.mean()),
        float((after - before).mean()),
        low,
        high,
    )
