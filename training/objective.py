"""The vectors of a batch -> the loss to follow, and figures for the log: where the recipe's parts meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from training import losses
from training.batches import Group, key
from training.config import TrainConfig
from training.distributed import World

Figures = dict[str, Tensor]
"""Name -> one number for each of this process's queries."""
_BLOCK = 1 << 20
"""Scores that are computed at once: memory does not grow with the batch."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of a batch's texts besides their vectors. This process's n groups and p passages: the n
    positives first, in the order of the groups, then all negatives, group by group."""

    groups: Sequence[Group]
    owner: Tensor
    """(p,) the group of each passage."""
    query_keys: Tensor
    """(n, 2) int32: hashes of the texts."""
    passage_keys: Tensor
    """(p, 2) int32."""
    scores: Tensor
    """(p,) a teacher's, of each passage to its own query; NaN where there is none."""

    @property
    def scored(self) -> bool:
        """Whether these are pairs of texts with scores."""
        return self.groups[0].score is not None


def label(groups: Sequence[Group], device: torch.device) -> Labels:
    negatives = [
        (at, passage) for at, group in enumerate(groups) for passage in range(1, len(group.passages))
    ]
    order = [*((at, 0) for at in range(len(groups))), *negatives]
    return Labels(
        groups,
        owner=torch.tensor([at for at, _ in order], device=device),
        query_keys=_keys([group.query for group in groups], device),
        passage_keys=_keys([groups[at].passages[passage] for at, passage in order], device),
        scores=torch.tensor(
            [groups[at].scores[passage] if groups[at].scores else float("nan") for at, passage in order],
            device=device,
        ),
    )


def passages_of(groups: Sequence[Group], *, plain: bool = False) -> list[str]:
    """The passages in the order of `Labels`, without prompts if `plain`."""
    texts = [group.plain[1:] if plain else group.passages for group in groups]
    return [text[0] for text in texts] + [passage for text in texts for passage in text[1:]]


class Objective:
    """The loss of a stage. Everything it needs of other processes it gets through `world`."""

    def __init__(
        self, config: TrainConfig, dims: Sequence[int], weights: Sequence[float], world: World
    ) -> None:
        self._config, self._world = config, world
        self._over_dims = partial(losses.matryoshka, dims=dims, weights=weights)

    def __call__(
        self, queries: Tensor, passages: Tensor, labels: Labels, teacher: tuple[Tensor, Tensor] | None = None
    ) -> tuple[float, Figures]:
        """Send the gradient into `queries` and `passages`; returns this process's part of the loss, and
        figures.

        queries: (n, dim); passages: (p, dim); teacher: its vectors of both, of any width. The sum of the
        parts is the loss of the whole batch, and so are the gradients.
        """
        if labels.scored:
            return self._scored(queries, passages, labels)
        board = self._board(queries, passages, labels, teacher)
        first = [board.passages, board.queries, queries]
        leaves = [x.detach().requires_grad_() for x in first]
        size = max(1, _BLOCK // len(board.passages))
        parts: list[Figures] = []
        value = 0.0
        for rows in torch.split(torch.arange(len(queries), device=queries.device), size):
            row_losses, figures = self._rows(rows, leaves, labels, board)
            part = row_losses.sum() / len(board.queries)
            part.backward()  # type: ignore[no-untyped-call]
            value += float(part.detach())
            parts.append(figures)
        reached = [(x, leaf.grad) for x, leaf in zip(first, leaves, strict=True) if leaf.grad is not None]
        torch.autograd.backward([x for x, _ in reached], [grad for _, grad in reached])
        return value, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _board(
        self, queries: Tensor, passages: Tensor, labels: Labels, teacher: tuple[Tensor, Tensor] | None
    ) -> "_Board":
        world, n = self._world, len(queries)
        rows = world.most(len(passages), passages.device)
        owners = world.gather_padded(labels.owner.to(torch.int32)[:, None] + 1, rows)[:, 0]  # 0: padding
        ranks = torch.arange(world.size, device=owners.device).repeat_interleave(rows)
        alone = torch.tensor([not group.in_batch for group in labels.groups], device=owners.device)
        return _Board(
            passages=world.gather_padded(passages, rows),
            queries=world.gather(queries),
            keys=world.gather_padded(labels.passage_keys, rows),
            query_keys=world.gather(labels.query_keys),
            positive_keys=world.gather(labels.passage_keys[:n]),
            owners=torch.where(owners > 0, ranks * n + owners - 1, -1),
            is_positive=torch.arange(rows, device=owners.device).repeat(world.size) < n,
            alone=alone,
            column=world.rank * rows,
            row=world.rank * n,
            table=_table(labels.groups, queries.device),
            teacher=None if teacher is None else (teacher[0], world.gather_padded(teacher[1], rows)),
        )

    def _rows(
        self, rows: Tensor, leaves: Sequence[Tensor], labels: Labels, board: "_Board"
    ) -> tuple[Tensor, Figures]:
        """Loss and figures of each of these rows. leaves: everybody's passages and queries, own queries."""
        config = self._config
        passages, everybody, queries = leaves[0], leaves[1], leaves[2][rows]
        positive = board.column + rows
        scores = losses.cosines(queries.detach(), passages.detach())
        judged = self._judged(rows, labels, board)
        # a teacher that knows all candidates is more to be trusted than the student
        judge = scores if judged is None or judged.isnan().any() else judged
        barred = _barred(rows, labels, board).scatter(1, positive[:, None], False)
        excluded = barred | self._likely(judge, positive)
        own, own_excluded = self._mixed(rows, queries, passages, labels, board)
        if config.false_negative_margin >= 0:
            ceiling = scores.gather(1, positive[:, None]) + config.false_negative_margin
            own_excluded = own_excluded | (losses.cosines(queries, own).detach() > ceiling)
        gamma = 0.0 if config.stage == "pretrain" else config.focal
        mine = board.row + rows
        back = _barred_back(rows, labels, board) if config.both_ways else None

        def contrast(q: Tensor, p: Tensor, mixed: Tensor) -> Tensor:
            near = losses.cosines(q, p)
            scores = torch.cat([near, losses.cosines(q, mixed)], dim=1)
            out = torch.cat([excluded, own_excluded], dim=1)
            row = losses.focal(losses.info_nce(scores, positive, out, config.temperature), gamma)
            if back is not None:
                returned = losses.cosines(p[positive], everybody[:, : q.shape[1]])
                found = losses.info_nce(returned, mine, back, config.temperature)
                row = (row + losses.focal(found, gamma)) / 2
            if judged is None:
                return row
            unknown = excluded | judged.isnan()
            far = losses.distillation(near, judged.nan_to_num(), unknown, config.distill_temperature)
            return (1 - config.distill_share) * row + config.distill_share * far

        found = self._over_dims(contrast)(queries, passages, own)
        best = scores.masked_fill(barred, -2.0).argmax(dim=1)
        return found, {"loss": found.detach(), "correct": (best == positive).float()}

    def _scored(self, queries: Tensor, passages: Tensor, labels: Labels) -> tuple[float, Figures]:
        """CoSENT over everybody's pairs. Each process computes all of it, and gives its part."""
        world, config = self._world, self._config
        values = world.gather(torch.tensor([group.score for group in labels.groups], device=queries.device))

        def loss(q: Tensor, p: Tensor, _: Tensor) -> Tensor:
            return losses.cosent(losses.cosines(q, p[:, None])[:, 0], values, config.scored_temperature)

        everybody = world.gather(queries), world.gather(passages)
        found = self._over_dims(loss)(*everybody, passages[:0])
        part = found.sum() / world.size
        part.backward()  # type: ignore[no-untyped-call]
        return float(part.detach()), {"loss": found.detach().expand(len(labels.groups))}

    def _likely(self, scores: Tensor, positive: Tensor) -> Tensor:
        """(n, candidates): True for what looks like another right answer."""
        margin = self._config.false_negative_margin
        if margin < 0:
            return torch.zeros_like(scores, dtype=torch.bool)
        return losses.false_negatives(scores, positive, margin)

    def _judged(self, rows: Tensor, labels: Labels, board: "_Board") -> Tensor | None:
        """(rows, candidates): a teacher's scores, NaN where unknown; None without distillation."""
        if self._config.stage != "distill":
            return None
        if board.teacher is not None:
            return losses.cosines(board.teacher[0][rows], board.teacher[1])
        known = board.passages.new_full((len(labels.groups), len(board.passages)), float("nan"))
        at = board.column + torch.arange(len(labels.owner), device=rows.device)
        known[labels.owner, at] = labels.scores.to(known.dtype)
        return known[rows]

    def _mixed(
        self, rows: Tensor, queries: Tensor, passages: Tensor, labels: Labels, board: "_Board"
    ) -> tuple[Tensor, Tensor]:
        """((rows, k, dim), negatives mixed from each query's own; (rows, k), True where there are none)."""
        config, table = self._config, board.table[rows]
        groups = [labels.groups[row] for row in rows.tolist()]
        lists = config.mixed_lists if config.stage != "pretrain" else 0
        pairs = max(len(group.pairs) for group in groups)
        if board.table.shape[1] < 2 or not (lists or pairs):
            none = passages.new_zeros(len(rows), 0, passages.shape[1])
            return none, none[..., 0].bool()
        real = table >= 0
        negatives = passages[board.column + table.clamp_min(0)]
        if not config.mixing_gradient:
            queries, negatives = queries.detach(), negatives.detach()
        parts = []
        if pairs:
            chosen = torch.tensor([group.pairs or ((0, 0),) * pairs for group in groups], device=rows.device)
            shares = torch.tensor([group.shares or (0.0,) * pairs for group in groups], device=rows.device)
            parts.append(losses.mix_pairs(negatives, chosen, shares))
        if lists:
            parts.append(losses.mix_lists(queries, negatives, real, config.mixing_temperature)[:, None])
        mixed = torch.cat(parts, dim=1)
        few = real.sum(dim=1) < 2
        return mixed, few[:, None].expand(mixed.shape[:2])


@dataclass(frozen=True, slots=True)
class _Board:
    """What everybody brought: c candidates, m queries."""

    passages: Tensor
    """(c, dim), filled up to the same number for each process."""
    queries: Tensor
    """(m, dim)."""
    keys: Tensor
    """(c, 2)."""
    query_keys: Tensor
    """(m, 2)."""
    positive_keys: Tensor
    """(m, 2)."""
    owners: Tensor
    """(c,) which of the m queries a passage belongs to; -1 for what only fills up."""
    is_positive: Tensor
    """(c,)."""
    alone: Tensor
    """(n,) True where a query takes no other's passages."""
    column: int
    """Where this process's passages begin."""
    row: int
    """Where its queries begin."""
    table: Tensor
    """(n, most) where each query's j-th negative is among this process's passages; -1 for none."""
    teacher: tuple[Tensor, Tensor] | None
    """Its vectors: of this process's queries, of everybody's passages."""


def _barred(rows: Tensor, labels: Labels, board: _Board) -> Tensor:
    """(rows, c): True for what certainly is no negative of a query: other copies of its positive, itself,
    another positive of the same query; and, for those that stay alone, all that isn't theirs."""
    same_text = _equal(labels.passage_keys[rows], board.keys)
    is_query = _equal(labels.query_keys[rows], board.keys)
    asked = board.query_keys[board.owners.clamp_min(0)]
    asked_alike = _equal(labels.query_keys[rows], asked) & board.is_positive
    strangers = board.alone[rows, None] & (board.owners[None] != (board.row + rows)[:, None])
    return same_text | is_query | asked_alike | strangers | (board.owners < 0)[None]


def _barred_back(rows: Tensor, labels: Labels, board: _Board) -> Tensor:
    """(rows, m): as `_barred`, for positives that look for their queries."""
    same_text = _equal(labels.query_keys[rows], board.query_keys)
    answered_alike = _equal(labels.passage_keys[rows], board.positive_keys)
    return same_text | answered_alike | board.alone[rows, None]


def _table(groups: Sequence[Group], device: torch.device) -> Tensor:
    counts = [len(group.passages) - 1 for group in groups]
    starts = np.cumsum([len(groups), *counts[:-1]])
    table = np.full((len(groups), max(counts)), -1)
    for row, (start, count) in enumerate(zip(starts, counts, strict=True)):
        table[row, :count] = np.arange(start, start + count)
    return torch.from_numpy(table).to(device)


def _keys(texts: Sequence[str], device: torch.device) -> Tensor:
    """(n, 2) int32: a hash of 64 bits in two halves, as HCCL gathers no int64."""
    return torch.from_numpy(
        np.array([key(text) for text in texts], np.int64).view(np.int32).reshape(-1, 2)
    ).to(device)


def _equal(one: Tensor, other: Tensor) -> Tensor:
    """(n, 2), (m, 2) -> (n, m)."""
    return (one[:, None] == other[None]).all(dim=-1)
