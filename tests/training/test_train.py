"""The loop: it learns, it goes on where it was killed, and what it exports is what it trained."""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.embedder.conftest import python
from tests.training.conftest import WORDS, lines
from training import export, train
from training.config import TrainConfig, load, save
from training.distributed import World
from training.errors import BadCheckpoint, BadConfig
from training.student import Student


def config(model: Path, data: tuple[Path, ...], output: Path, **settings: Any) -> TrainConfig:
    base = TrainConfig(
        model=str(model),
        data=data,
        output=output,
        steps=6,
        batch_size=9,
        learning_rate=3e-3,
        temperature=0.05,
        device="cpu",
        precision="fp32",
        batch_tokens=40,
        query_tokens=64,
        passage_tokens=64,
        dims=(16,),
        dim_weights=(1.0, 0.3),
        save_every=2,
    )
    return replace(base, **settings)


def losses(output: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (output / "log.jsonl").read_text().splitlines()]


def accuracy(model: str) -> float:
    """How many queries of one word find the passage that begins with it."""
    student = Student(TrainConfig(model=model, device="cpu", precision="fp32"))
    passages = [f"{word} {WORDS[-1 - at]} road" for at, word in enumerate(WORDS)]
    scores = student.encode_queries(WORDS) @ student.encode_documents(passages).T
    return float((scores.argmax(axis=1) == np.arange(len(WORDS))).mean())


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_it_learns(qwen: Path, pairs: Path, tmp_path: Path, stage: str) -> None:
    settings = {"steps": 100, "stage": stage, "batch_tokens": 1000}
    folder = train.train(config(qwen, (pairs,), tmp_path / "out", **settings))

    found = losses(tmp_path / "out")
    assert sum(found[-5:]) < sum(found[:5]) / 2
    assert accuracy(str(folder)) > 0.8 > accuracy(str(qwen))


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16"}, {"lora": 4}])
def test_a_killed_run_gives_the_losses_it_would_have_given(
    qwen: Path, pairs: Path, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = (config(qwen, (pairs,), tmp_path / name, **settings) for name in ("whole", "parts"))
    train.train(whole)

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    count = 0
    step = train.gradcache.step

    def until_the_fifth(*given: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        return kill() if count == 6 else step(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(train.gradcache, "step", until_the_fifth)
        with pytest.raises(KeyboardInterrupt):
            train.train(parts)
    assert len(losses(tmp_path / "parts")) == 5
    train.train(parts)

    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_another_run_is_not_resumed(qwen: Path, pairs: Path, tmp_path: Path) -> None:
    train.train(config(qwen, (pairs,), tmp_path / "out"))

    with pytest.raises(BadCheckpoint, match=r"learning_rate was 0.003.*another --output"):
        train.train(config(qwen, (pairs,), tmp_path / "out", learning_rate=1e-3))


@pytest.mark.parametrize("kind", ["qwen2", "bert"])
@pytest.mark.parametrize("rank", [0, 4])
def test_what_is_exported_loads_everywhere_and_agrees(
    folder: Callable[[str], Path], pairs: Path, tmp_path: Path, kind: str, rank: int
) -> None:
    made = train.train(config(folder(kind), (pairs,), tmp_path / "out", lora=rank, steps=20))

    agreement = export.verify(made)

    assert set(agreement) == {"embedder", "transformers", "sentence-transformers"}
    assert min(agreement.values()) > 0.99999
    base, tuned = (Student(TrainConfig(model=str(m), device="cpu")) for m in (folder(kind), made))
    assert base.arena.names == tuned.arena.names
    assert not np.allclose(base.encode_documents(WORDS), tuned.encode_documents(WORDS), atol=1e-3)


def test_an_export_says_which_way_it_looks_and_what_it_learned_from(
    qwen: Path, pairs: Path, tmp_path: Path
) -> None:
    made = train.train(config(qwen, (pairs,), tmp_path / "out"))

    assert json.loads((made / "config.json").read_text())["is_causal"] is False
    assert "words.jsonl" in (made / "README.md").read_text()


def test_an_export_whose_weights_were_changed_is_refused(qwen: Path, pairs: Path, tmp_path: Path) -> None:
    folder = train.train(config(qwen, (pairs,), tmp_path / "out"))
    (folder / "model.safetensors").write_bytes((qwen / "model.safetensors").read_bytes())

    with pytest.raises(export.BadExport, match="sha256"):
        export.verify(folder)


def test_a_student_of_a_teacher_ranks_like_it(qwen: Path, pairs: Path, tmp_path: Path) -> None:
    plain = {"steps": 100, "batch_tokens": 1000}
    teacher = train.train(config(qwen, (pairs,), tmp_path / "teacher", **plain))

    settings = {**plain, "stage": "distill", "teacher": str(teacher), "distill_share": 1.0}
    student = train.train(config(qwen, (pairs,), tmp_path / "student", **settings))

    assert accuracy(str(student)) > 0.8


def test_scores_in_the_data_are_a_teacher_too(qwen: Path, tmp_path: Path) -> None:
    rows = [
        {"query": word, "pos": [f"{word} road"], "neg": ["tree", "moon"], "scores": [0.9, 0.8, 0.1]}
        for word in WORDS
    ]
    data = lines(tmp_path / "scored.jsonl", rows)

    train.train(config(qwen, (data,), tmp_path / "out", stage="distill", steps=30))

    found = losses(tmp_path / "out")
    assert found[-1] < found[0]


def test_pairs_with_scores_are_learned_in_batches_of_their_own(
    qwen: Path, pairs: Path, tmp_path: Path
) -> None:
    rows = [{"a": word, "b": f"{word} road", "score": 5.0 - at % 6} for at, word in enumerate(WORDS)]
    scored = lines(tmp_path / "sts.jsonl", rows)

    train.train(config(qwen, (pairs, scored), tmp_path / "out", steps=12))

    assert all(np.isfinite(losses(tmp_path / "out")))


def test_settings_are_written_beside_the_weights_and_read_back(tmp_path: Path) -> None:
    told = TrainConfig(data=(Path("a.jsonl"),), steps=3)

    save(told, tmp_path / "config.json")

    assert load(tmp_path / "config.json") == told


@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_does(qwen: Path, pairs: Path, tmp_path: Path) -> None:
    alone = config(qwen, (pairs,), tmp_path / "one", batch_size=8, steps=4)
    train.train(alone)
    save(replace(alone, output=tmp_path / "two"), tmp_path / "two.json")

    run_together(tmp_path / "two.json", 2)

    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


def run_together(settings: Path, size: int) -> None:
    """As torchrun does, on a port of their own; forked once all is imported."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size)}
    own = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    python(
        f"""
        import multiprocessing, os
        from pathlib import Path
        from training import config, train

        def one(rank):
            os.environ.update({{**{meeting | own}, "RANK": str(rank), "LOCAL_RANK": str(rank)}})
            train.train(config.load(Path({str(settings)!r})))

        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=one, args=(rank,)) for rank in range({size})]
        for process in processes:
            process.start()
        for process in processes:
            process.join(800)
        assert [process.exitcode for process in processes] == [0] * {size}
        """
    )


def test_a_batch_that_processes_cannot_share_is_refused(
    qwen: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.distributed, "join", lambda _: World(0, 2))

    with pytest.raises(BadConfig, match="--batch-size 9 can't be shared by 2 processes"):
        train.train(config(qwen, (pairs,), tmp_path / "out"))
