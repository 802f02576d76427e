"""From documents to a candidate: documents held out, stages resumed, a comparison on what was not read."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import WORDS, lines
from training import adapt as adapt_module
from training.adapt import adapt
from training.adaptation import STAGES, Adaptation, AdaptConfig
from training.data import Row
from training.errors import BadCheckpoint, BadData
from training.holdout import Question, Source, ask, draw, split_pairs, write_task


def passages(documents: int = 24) -> list[dict[str, Any]]:
    """Each about one word: its title, and sentences that hold it."""
    rows = []
    for at in range(documents):
        word, other, third = (WORDS[(at * step) % len(WORDS)] for step in (1, 5, 7))
        rows.append(
            {
                "document": f"d{at}",
                "title": f"{word} {other} {third} {at}",
                "text": f"The {word} stands by the {other} at dawn {at}. A {third} comes with rain and "
                f"wind {at}. Nobody has seen the {word} and the {other} together since {at}.",
                "language": "en" if at % 2 else "de",
            }
        )
    return rows


def read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def order(model: Path, output: Path, **settings: Any) -> AdaptConfig:
    plain = AdaptConfig(output=output, model=str(model), held_out=0.25, keep=0.25)
    train = replace(
        plain.train,
        steps=12,
        batch_size=8,
        learning_rate=3e-3,
        temperature=0.05,
        device="cpu",
        precision="fp32",
        save_every=4,
    )
    return replace(plain, **{"train": train, **settings})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return lines(tmp_path / "corpus.jsonl", passages())


def test_a_candidate_is_compared_on_documents_it_has_not_read(
    qwen: Path, corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"

    candidate = adapt(order(qwen, folder, corpus=(corpus,), name="words"))

    adaptation = Adaptation(folder)
    assert candidate == folder / "models" / "words"
    assert (candidate / "model.safetensors").is_file()
    assert list(adaptation.done()) == list(STAGES)
    learned = (folder / "learned.jsonl").read_text()
    answers = [json.loads(line) for line in read_lines(folder / "held-out/documents/corpus.jsonl")]
    qrels = read_lines(folder / "held-out/documents/qrels.tsv")[1:]
    asked = {line.split("\t")[1] for line in qrels}
    assert len(asked) == adaptation.done()["queries"]["asked"] == 6
    assert not [one["text"] for one in answers if one["_id"] in asked and one["text"] in learned]
    gains = adaptation.comparison() or []
    assert {gain["dim"] for gain in gains} == {32}
    assert {gain["language"] for gain in gains} <= {"", "de", "en"}
    assert all(gain["low"] <= gain["difference"] <= gain["high"] for gain in gains)


def test_a_killed_adaptation_goes_on_with_the_stage_it_was_in(
    qwen: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(qwen, tmp_path / "out", corpus=(corpus,))

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adapt_module, "soup", kill)
        with pytest.raises(KeyboardInterrupt):
            adapt(told)
    before = (tmp_path / "out/run/log.jsonl").read_text()
    assert Adaptation(told.output).stage() == "soup"
    adapt(told)

    assert Adaptation(told.output).stage() is None
    assert (tmp_path / "out/run/log.jsonl").read_text() == before


def test_a_folder_of_another_adaptation_is_refused(qwen: Path, corpus: Path, tmp_path: Path) -> None:
    told = order(qwen, tmp_path / "out", corpus=(corpus,))
    Adaptation(told.output).begin(told)

    with pytest.raises(BadCheckpoint, match="another --output"):
        adapt(replace(told, keep=0.5))


def test_minutes_limit_the_steps_once_and_for_all(qwen: Path, corpus: Path, tmp_path: Path) -> None:
    told = order(qwen, tmp_path / "out", corpus=(corpus,), minutes=1e-4)

    adapt(told)

    assert Adaptation(told.output).steps() == 1


def test_a_worker_leaves_the_reason_in_the_folder(qwen: Path, tmp_path: Path) -> None:
    one = lines(tmp_path / "corpus.jsonl", passages(1))
    adaptation = Adaptation(tmp_path / "out")
    adaptation.begin(order(qwen, tmp_path / "out", corpus=(one,)))

    worker = start_worker(adaptation.folder)

    assert worker.wait() == 1
    assert "there is one document" in (adaptation.folder / "problem.txt").read_text()
    assert worker.stdin is not None
    worker.stdin.close()


def test_a_worker_is_gone_when_whoever_started_it_is(qwen: Path, corpus: Path, tmp_path: Path) -> None:
    adaptation = Adaptation(tmp_path / "out")
    endless = order(qwen, tmp_path / "out", corpus=(corpus,))
    adaptation.begin(replace(endless, train=replace(endless.train, steps=1_000_000)))
    worker = start_worker(adaptation.folder)

    assert worker.stdin is not None
    worker.stdin.close()

    assert worker.wait() == -signal.SIGKILL


def start_worker(folder: Path) -> "subprocess.Popen[bytes]":
    worker = subprocess.Popen([sys.executable, "-m", "training.worker", str(folder)], stdin=subprocess.PIPE)
    assert worker.stdin is not None
    worker.stdin.write(b'{"api_key": ""}\n')
    worker.stdin.flush()
    return worker


def test_pairs_go_where_the_document_of_their_positive_goes() -> None:
    corpus = [Source(f"d{at}", "", f"passage {at}", "en") for at in range(4)]
    held = frozenset({"d0"})
    pairs = [
        (Row("about nought", ("passage 0",)), "en"),
        (Row("about one", ("passage 1",)), "en"),
        (Row("of both", ("passage 0", "passage 1")), "en"),
        (Row("about one", ("passage 0",)), "en"),
    ]

    rows, asked = split_pairs(pairs, corpus, held, share=0.5, seed=0)

    assert [row.query for row in rows] == ["about one"]
    assert [(one.text, one.answers) for one in asked] == [("about nought", ("passage 0",))]


def test_pairs_without_documents_are_split_by_their_positives() -> None:
    pairs = [(Row(f"{how} {at}", (f"passage {at}",)), "") for at in range(10) for how in ("what is", "find")]

    rows, asked = split_pairs(pairs, [], frozenset(), share=0.2, seed=0)

    assert len(asked) == 4
    assert len(rows) == 16
    assert {text for row in rows for text in row.positives}.isdisjoint(one.answers[0] for one in asked)


def test_one_document_can_not_be_held_out_and_learned_from() -> None:
    with pytest.raises(BadData, match="there is one document"):
        draw(["a", "a"], 0.5, 0)
    assert len(draw("ab", 0.01, 0)) == len(draw("ab", 0.99, 0)) == 1


def test_no_question_has_more_answers_than_are_known() -> None:
    body = "The first sentence stands alone. A second one follows it in good order. And a third one ends it."
    sources = [
        Source("held", "Common heading", f"{body} Held.", "en"),
        Source("learned", "Common heading", f"{body} Learned.", "en"),
    ]

    asked = ask(sources, frozenset({"held"}), 60, seed=0)

    assert asked
    assert "common heading" not in {one.text.casefold() for one in asked}


def test_a_task_has_its_answers_and_as_many_passages_as_wanted(tmp_path: Path) -> None:
    questions = [Question(f"q {at}", "en", (f"answer {at}",)) for at in range(10)]

    count = write_task(
        tmp_path / "t", questions, (f"p {at}" for at in range(50)), most_queries=4, most_passages=20, seed=0
    )

    texts = [json.loads(line)["text"] for line in read_lines(tmp_path / "t/corpus.jsonl")]
    assert count == 4
    assert len(texts) == 20
    assert sum(text.startswith("answer") for text in texts) == 4
