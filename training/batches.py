"""Rows -> batches: which rows share a step, and which texts of a row take part.

All of it follows from (seed, epoch, row): a run that was killed goes on with the same batches, and machines
agree without talking.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from embedder.prompts import instruction_for, query_prefix
from training.config import TaskSettings, TrainConfig
from training.data import ALONE, Row
from training.errors import BadData

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """One query, its positive, and its negatives, as the model reads them."""

    task: str
    query: str
    passages: tuple[str, ...]
    """The positive first."""
    plain: tuple[str, ...]
    """Query and passages without prompts: what a teacher reads, with prompts of its own."""
    scores: tuple[float, ...]
    """A teacher's, one for each passage; empty without."""
    in_batch: bool
    """Whether other groups' passages are negatives of this query."""
    pairs: tuple[tuple[int, int], ...]
    """Which two negatives to mix, counted from 0."""
    shares: tuple[float, ...]
    """How much of the first of them."""
    score: float | None
    """Of a scored pair; None for all others."""


class Plan:
    """The batches of every epoch. A batch is an array of row numbers; all its rows are scored pairs, or
    none is."""

    def __init__(self, rows: Sequence[Row], config: TrainConfig) -> None:
        """Raises BadData if there are fewer rows than a batch takes."""
        self._seed, self._size, self._homogeneous = config.seed, config.batch_size, config.homogeneous
        self._exponent = config.task_exponent
        self._weights = {task: settings.weight for task, settings in config.tasks.items()}
        tasks: dict[str, list[int]] = {}
        for at, row in enumerate(rows):
            tasks.setdefault(row.task, []).append(at)
        self._tasks = {task: np.array(found) for task, found in sorted(tasks.items())}
        self._scored = frozenset(row.task for row in rows if row.kind == "scored")
        if mixed := self._scored & {row.task for row in rows if row.kind != "scored"}:
            raise BadData(
                f"task {min(mixed)!r} has scored pairs and other rows: give them tasks of their own"
            )
        self._keys = [
            (key(row.query), key(row.positives[0]) if row.positives else key(row.query)) for row in rows
        ]
        if len(rows) < self._size:
            raise BadData(f"{len(rows)} rows are less than one batch of {self._size}: lower --batch-size")

    def epoch(self, epoch: int) -> list[Indices]:
        """All full batches of an epoch, shuffled."""
        rng = np.random.default_rng([self._seed, epoch])
        chosen = self._choose(rng)
        parts: tuple[list[Indices], list[Indices]] = ([], [])
        for task, rows in chosen.items():
            parts[task in self._scored].append(rows)
        batches = [batch for part in parts for batch in self._batches(part, rng)]
        return [batches[at] for at in rng.permutation(len(batches))]

    def _batches(self, tasks: Sequence[Indices], rng: np.random.Generator) -> list[Indices]:
        """Full batches of each of the tasks, then of what they leave over; mixed as far as they are to be."""
        batches, rest = [], []
        for rows in tasks:
            full, left = self._cut(rows)
            batches += full
            rest += left
        batches += self._cut(rng.permutation(np.array(rest, np.int64)))[0]
        if self._homogeneous < 1 and batches:
            self._mix(batches, rng)
        return batches

    def _choose(self, rng: np.random.Generator) -> dict[str, Indices]:
        """Rows of each task in random order, as many as its share: its size to the power of
        `task_exponent`, times its weight. As many in all as there are; a task that has fewer repeats
        itself."""
        sizes = np.array([len(rows) for rows in self._tasks.values()], float)
        weights = np.array([self._weights.get(task, 1.0) for task in self._tasks])
        shares = sizes**self._exponent * weights
        counts = np.rint(shares / shares.sum() * sizes.sum()).astype(int)
        if self._exponent == 1 and (weights == 1).all():
            counts = sizes.astype(int)
        chosen = {}
        for (task, rows), count in zip(self._tasks.items(), counts, strict=True):
            rounds = -(-count // len(rows))
            chosen[task] = np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [rows[:0]])[
                :count
            ]
        return chosen

    def _cut(self, rows: Indices) -> tuple[list[Indices], list[int]]:
        """(full batches, rows left over). A text comes once in a batch: one that comes again waits for the
        next."""
        batches: list[Indices] = []
        batch: list[int] = []
        seen: set[int] = set()
        waiting: deque[int] = deque()
        for at in rows.tolist():
            if seen.isdisjoint(self._keys[at]):
                batch.append(at)
                seen.update(self._keys[at])
            else:
                waiting.append(at)
            if len(batch) == self._size:
                batches.append(np.array(batch))
                batch, seen = [], set()
                for _ in range(len(waiting)):  # those that fit now
                    late = waiting.popleft()
                    if len(batch) < self._size and seen.isdisjoint(self._keys[late]):
                        batch.append(late)
                        seen.update(self._keys[late])
                    else:
                        waiting.append(late)
        return batches, [*batch, *waiting]

    def _mix(self, batches: list[Indices], rng: np.random.Generator) -> None:
        """Exchange the last rows of every batch with those of others (KaLM's sampler; semi-homogeneous)."""
        kept = round(self._homogeneous * self._size)
        pool = rng.permutation(np.concatenate([batch[kept:] for batch in batches]))
        for batch, others in zip(batches, np.split(pool, len(batches)), strict=True):
            batch[kept:] = others


class Groups:
    """Rows -> groups: draws one positive, some negatives and what to mix, and puts the prompts before
    texts."""

    def __init__(self, rows: Sequence[Row], config: TrainConfig, template: str, document_prefix: str) -> None:
        """`template`: what comes before a query, see `embedder.prompts`."""
        self.rows = rows
        self._config, self._template, self._document_prefix = config, template, document_prefix
        self._negatives = config.negatives if config.stage != "pretrain" else 0
        self._labels: dict[str, dict[str, list[int]]] = {}
        for at, row in enumerate(rows):
            if row.label:
                self._labels.setdefault(row.task, {}).setdefault(row.label, []).append(at)
        for task, labels in self._labels.items():
            if len(labels) < 2:
                raise BadData(f"task {task!r} has one label, {min(labels)!r}: nothing to tell apart")

    def settings(self, row: Row) -> TaskSettings:
        """What holds for a row's task; as told, else by its kind."""
        told = self._config.tasks.get(row.task)
        if told is not None:
            return told
        alone = bool(row.label) or row.task.endswith(ALONE)
        symmetric = bool(row.label) or row.kind == "scored"
        kinds = {"labels": "classification", "scored": "sts", "retrieval": "retrieval"}
        return TaskSettings(in_batch=not alone, symmetric=symmetric, instruction=kinds[row.kind])

    def draw(self, at: int, epoch: int) -> Group:
        """The group of row `at`, the same whenever it is asked for."""
        row, rng = self.rows[at], np.random.default_rng([self._config.seed, epoch, at])
        settings = self.settings(row)
        passages, scores = self._labelled(at, rng) if row.label else self._listed(row, rng)
        prefix = query_prefix(self._template, instruction_for(row.instruction or settings.instruction))
        if row.query.startswith("Instruct: "):  # KaLM's own files have it in the query
            prefix = ""
        passage_prefix = prefix if settings.symmetric else self._document_prefix
        pairs, shares = self._pairs(len(passages) - 1, rng)
        return Group(
            task=row.task,
            query=prefix + row.query,
            passages=tuple(passage_prefix + passage for passage in passages),
            plain=(row.query, *passages),
            scores=scores,
            in_batch=settings.in_batch,
            pairs=pairs,
            shares=shares,
            score=row.score,
        )

    def _listed(self, row: Row, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """One of the positives and up to so many of the negatives; with their scores, if they have any."""
        first = int(rng.integers(len(row.positives)))
        wanted = min(self._negatives, len(row.negatives))
        others = rng.permutation(len(row.negatives))[:wanted].tolist()
        passages = row.positives[first], *(row.negatives[other] for other in others)
        if not row.positive_scores:
            return passages, ()
        return passages, (row.positive_scores[first], *(row.negative_scores[other] for other in others))

    def _labelled(self, at: int, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Another example of the row's label, and examples of others (KaLM V2, 3.6 of its notes)."""
        row, labels = self.rows[at], self._labels[self.rows[at].task]
        same = [other for other in labels[row.label] if other != at] or [at]
        others = [label for label in labels if label != row.label]
        drawn = rng.choice(len(others), self._config.negatives, replace=len(others) < self._config.negatives)
        chosen = [same[int(rng.integers(len(same)))]]
        for label in drawn.tolist():
            examples = labels[others[label]]
            chosen.append(examples[int(rng.integers(len(examples)))])
        texts = dict.fromkeys(self.rows[other].query for other in chosen)
        return tuple(texts), ()

    def _pairs(
        self, negatives: int, rng: np.random.Generator
    ) -> tuple[tuple[tuple[int, int], ...], tuple[float, ...]]:
        count = self._config.mixed_pairs if negatives >= 2 and self._config.stage != "pretrain" else 0
        pairs = [rng.choice(negatives, 2, replace=False).tolist() for _ in range(count)]
        return tuple((a, b) for a, b in pairs), tuple(rng.beta(2, 2, count).tolist())  # KaLM V2: Beta(2, 2)


def steps(plan: Plan, start: int) -> Iterator[tuple[int, Indices]]:
    """(epoch, rows) of step `start` and all after it, for ever."""
    epoch, skip = 0, start
    while True:
        batches = plan.epoch(epoch)
        if not batches:
            raise BadData("no batch can be filled without a text coming twice: lower --batch-size")
        for batch in batches[skip:]:
            yield epoch, batch
        skip = max(0, skip - len(batches))
        epoch += 1


def key(text: str) -> int:
    """64 bits of a text's hash, the same on every machine."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True
    )
