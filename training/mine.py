"""Pairs -> pairs with hard negatives: near enough to the query to be hard, not so near that they are answers.

The negatives of KaLM come from ranks 50 to 100 of the model before, seven per query; a pair whose positive
isn't among the first 50 is dropped (its ranking-consistency filter). Search is exact and in blocks, on any
device.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from training.batches import key
from training.config import MineConfig
from training.data import Row
from training.errors import BadConfig
from training.reader import Reader
from training.search import nearest

log = logging.getLogger(__name__)


@dataclass
class Account:
    """What became of the pairs."""

    rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Task -> pairs whose positive was too far."""
    ranks: Counter[str] = field(default_factory=Counter)
    """Rank of the best positive -> pairs: "0", "1-9", "10-49", "50-99", "100+"."""
    few: int = 0
    """Pairs with fewer negatives than asked for."""


def mine(
    rows: Sequence[Row], reader: Reader, config: MineConfig, pool: Sequence[str] = (), device: str = "cpu"
) -> tuple[list[Row], Account]:
    """Give each retrieval row negatives from all passages of its task, and from `pool`; others stay as they
    are.

    A row's own negatives are kept, before those that are found. Raises BadConfig if the passages are too
    few for the ranks.
    """
    account, mined = Account(), list[Row | None](rows)
    tasks: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        if row.kind == "retrieval":
            tasks.setdefault(row.task, []).append(at)
    for task, members in tasks.items():
        for at, found in _mine_task([rows[at] for at in members], reader, config, pool, device, account):
            mined[members[at]] = found
        log.info("%s: %d pairs, %d dropped", task, len(members), account.dropped[task])
    return [row for row in mined if row is not None], account


def _mine_task(
    rows: Sequence[Row],
    reader: Reader,
    config: MineConfig,
    pool: Sequence[str],
    device: str,
    account: Account,
) -> Iterator[tuple[int, Row | None]]:
    """(position, the row with its negatives; None if it was dropped)."""
    own = (text for row in rows for text in (*row.positives, *row.negatives))
    texts = list(dict.fromkeys([*own, *pool]))
    place = {text: at for at, text in enumerate(texts)}
    if len(texts) <= config.ranks[0]:
        raise BadConfig(
            f"task {rows[0].task!r} has {len(texts)} passages, negatives would come from rank "
            f"{config.ranks[0]} on: lower --ranks, or add passages with --pool"
        )
    corpus = reader.encode_documents(texts)
    queries = reader.encode_queries([row.query for row in rows])
    apart = max(len(row.positives) + len(row.negatives) for row in rows) + 1  # and the query's own text
    depth = max(config.ranks[1], config.keep_within) + apart
    all_scores, all_places = nearest(queries, corpus, depth, device)
    for at, row in enumerate(rows):
        account.rows += 1
        good = {place[text] for text in row.positives}
        score = max(float(queries[at] @ corpus[where]) for where in good)
        rank = int((all_scores[at] > score).sum())
        account.ranks[_bucket(rank, all_scores.shape[1])] += 1
        if config.keep_within and rank >= config.keep_within:
            account.dropped[row.task] += 1
            yield at, None
            continue
        ceiling = min(score - config.relative_margin * abs(score), score - config.absolute_margin)
        barred = good | {place.get(row.query, -1)} | {place[text] for text in row.negatives}
        ranked = [
            (where, near)
            for where, near in zip(all_places[at].tolist(), all_scores[at].tolist(), strict=True)
            if where not in barred
        ]
        fit = [(at, near) for at, near in ranked[slice(*config.ranks)] if near <= ceiling]
        wanted = max(0, config.negatives - len(row.negatives))
        if config.choice == "random":
            rng = np.random.default_rng([config.seed, key(row.query) % 2**63])
            fit = [fit[one] for one in rng.permutation(len(fit))[:wanted]]
        chosen = [texts[where] for where, _ in fit[:wanted]]
        negatives = (*row.negatives, *chosen)
        account.few += len(negatives) < config.negatives
        found = replace(row, negatives=negatives)
        if config.scores:
            near = [float(queries[at] @ corpus[place[text]]) for text in (*row.positives, *negatives)]
            split = len(row.positives)
            found = replace(found, positive_scores=tuple(near[:split]), negative_scores=tuple(near[split:]))
        yield at, found


def _bucket(rank: int, depth: int) -> str:
    if rank >= min(100, depth):
        return "100+"
    return "0" if rank == 0 else "1-9" if rank < 10 else "10-49" if rank < 50 else "50-99"
