"""The loss of a batch: what counts as a negative of what, in one process and in several."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from tests.embedder.conftest import python
from training import losses
from training.batches import Group
from training.config import TrainConfig
from training.distributed import World
from training.objective import Objective, label, passages_of

N, DIM = 8, 6
PLAIN = TrainConfig(
    stage="finetune",
    focal=0.0,
    mixed_pairs=0,
    mixed_lists=0,
    temperature=0.1,
    dims=(),
    false_negative_margin=-1,
)


def group(at: int, negatives: int = 2, **more: Any) -> Group:
    texts = [f"p{at}", *(f"n{at}.{j}" for j in range(negatives))]
    told = {
        "task": "t",
        "query": f"q{at}",
        "passages": tuple(texts),
        "plain": (f"q{at}", *texts),
        "scores": (),
    }
    return Group(**{**told, "in_batch": True, "pairs": (), "shares": (), "score": None, **more})


def vector(text: str) -> list[float]:
    """Each text's own, whoever asks."""
    generator = torch.Generator().manual_seed(
        sum(ord(letter) * 31**at for at, letter in enumerate(text)) % 2**31
    )
    return torch.randn(DIM, generator=generator, dtype=torch.float64).tolist()


def run(groups: list[Group], config: TrainConfig, world: World | None = None) -> tuple[float, Tensor]:
    """(part of the loss, gradient of a matrix that all vectors went through)."""
    matrix = torch.eye(DIM, dtype=torch.float64).add(0.1).requires_grad_()
    queries = torch.tensor([vector(g.query) for g in groups], dtype=torch.float64) @ matrix
    passages = torch.tensor([vector(text) for text in passages_of(groups)], dtype=torch.float64) @ matrix
    dims, weights = config.widths(DIM)
    objective = Objective(config, dims, weights, world or World())
    value, _ = objective(queries, passages, label(groups, torch.device("cpu")))
    assert matrix.grad is not None
    return value, matrix.grad


def mean_info_nce(groups: list[Group], kept: list[set[str]]) -> float:
    """By the definition: each query against the texts it may see, its positive first."""
    matrix = torch.eye(DIM, dtype=torch.float64).add(0.1)
    total = 0.0
    for g, texts in zip(groups, kept, strict=True):
        names = [g.passages[0], *sorted(texts - {g.passages[0]})]
        scores = losses.cosines(
            torch.tensor([vector(g.query)], dtype=torch.float64) @ matrix,
            torch.tensor([vector(t) for t in names], dtype=torch.float64) @ matrix,
        )
        total += float(losses.info_nce(scores, torch.tensor([0]), torch.zeros_like(scores).bool(), 0.1))
    return total / len(groups)


def test_everybodys_passages_are_negatives() -> None:
    groups = [group(at) for at in range(3)]
    texts = set(passages_of(groups))

    assert run(groups, PLAIN)[0] == pytest.approx(mean_info_nce(groups, [texts] * 3))


def test_a_query_that_stays_alone_sees_only_its_own() -> None:
    groups = [group(0, in_batch=False), group(1)]
    texts = set(passages_of(groups))

    expected = mean_info_nce(groups, [set(groups[0].passages), texts])

    assert run(groups, PLAIN)[0] == pytest.approx(expected)


def test_copies_of_the_positive_the_query_itself_and_other_answers_to_it_are_no_negatives() -> None:
    copy = replace(group(1), passages=("p0", "n1.0", "q0"))
    again = replace(group(2), query="q0")
    groups = [group(0), copy, again]
    texts = set(passages_of(groups))

    found = run(groups, PLAIN)[0]

    # the last query still sees p0, as another query's passage
    assert found == pytest.approx(mean_info_nce(groups, [texts - {"q0", "p2"}, texts, texts - {"q0"}]))


def test_what_scores_far_above_the_positive_is_left_out() -> None:
    groups = [group(at) for at in range(4)]
    strict = replace(PLAIN, false_negative_margin=0.0)

    assert run(groups, strict)[0] < run(groups, PLAIN)[0]


def test_mixed_negatives_make_it_harder_and_few_are_not_mixed() -> None:
    mixed = replace(PLAIN, mixed_lists=1)

    assert run([group(0), group(1)], mixed)[0] > run([group(0), group(1)], PLAIN)[0]
    assert run([group(0, 1), group(1, 1)], mixed)[0] == run([group(0, 1), group(1, 1)], PLAIN)[0]


def test_groups_may_have_different_numbers_of_negatives() -> None:
    groups = [group(0, 3, pairs=((0, 2),), shares=(0.4,)), group(1, 0), group(2, 1)]

    value, gradient = run(groups, replace(PLAIN, mixed_lists=1, mixed_pairs=1))

    assert torch.isfinite(gradient).all()
    assert value > 0


def test_blocks_of_rows_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [group(at) for at in range(5)]
    whole = run(groups, PLAIN)
    monkeypatch.setattr("training.objective._BLOCK", 30)

    parts = run(groups, PLAIN)

    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    assert torch.allclose(parts[1], whole[1], rtol=1e-12)


MIXED = replace(PLAIN, mixed_pairs=1, mixed_lists=1, focal=0.5, dims=(4,), dim_weights=(1.0, 0.3))
KINDS: dict[str, tuple[list[Group], TrainConfig]] = {
    "plain": ([group(at) for at in range(N)], PLAIN),
    "all parts": (
        [
            group(at, 1 + at % 3, pairs=((0, 1),) if at % 3 else (), shares=(0.3,) if at % 3 else ())
            for at in range(N)
        ],
        replace(MIXED, both_ways=True, mixing_gradient=True, false_negative_margin=0.1),
    ),
    "distilled": (
        [group(at, 2, scores=(0.9, 0.5, 0.1 * at)) for at in range(N)],
        replace(MIXED, stage="distill", mixed_pairs=0),
    ),
    "scored": ([group(at, 0, score=1.0 + at % 5) for at in range(N)], MIXED),
    "alone": ([group(at, 2, in_batch=at % 2 == 0) for at in range(N)], PLAIN),
}


def together(sizes: list[int], folder: str) -> None:
    """In a process that has done nothing yet: its children have the imports already."""
    torch.set_num_threads(1)
    for size in sizes:
        told = size, f"{folder}/meeting-{size}", f"{folder}/{size}"
        mp.start_processes(_process, told, size, start_method="fork")


def _process(rank: int, size: int, meeting: str, output: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    world = World(rank, size)
    found = {}
    for kind, (groups, config) in KINDS.items():
        value, gradient = run(groups[world.share(N)], config, world)
        total = world.sum_(torch.tensor([value], dtype=torch.float64))
        found[kind] = float(total), world.sum_(gradient)
    if world.first:
        torch.save(found, output)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what they found, by the number of processes."""
    folder = tmp_path_factory.mktemp("shared")
    python(f"from tests.training.test_objective import together; together([2, 4], {str(folder)!r})")
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_give_the_loss_and_gradient_of_one(size: int, shared: Path) -> None:
    for kind, (value, gradient) in torch.load(shared / f"{size}").items():
        expected, theirs = run(*KINDS[kind])
        assert value == pytest.approx(expected, rel=1e-9), kind
        assert (gradient - theirs).norm() < 1e-6 * theirs.norm(), kind
