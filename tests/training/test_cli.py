"""The whole pipeline by its commands: from a corpus without a language model to a model that verifies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.conftest import WORDS, lines
from training.__main__ import main


def corpus(tmp_path: Path) -> Path:
    rows = []
    for at, word in enumerate(WORDS):
        other, third = WORDS[(at + 5) % len(WORDS)], WORDS[(at + 9) % len(WORDS)]
        rain = f"It rains on the {word} of {at} days, and on most others too."
        text = f"The {word} is by the {other}. Nobody saw the {third} near it. {rain}"
        rows.append({"title": f"About the {word} {at}", "text": text})
    return lines(tmp_path / "corpus.jsonl", rows)


def test_synthesize_mine_train_evaluate_soup_export_verify(qwen: Path, tmp_path: Path, task: Path) -> None:
    pairs, mined, run = tmp_path / "pairs.jsonl", tmp_path / "mined.jsonl", tmp_path / "run"
    small = ["--batch-size", "4", "--dims", "16", "--precision", "fp32", "--device", "cpu", "--steps", "3"]
    watched = ["--evaluate-every", "3", "--evaluate-on", str(task)]
    base, tuned, figures = str(qwen), str(run / "model"), tmp_path / "figures.json"
    commands = [
        ["synthesize", "--output", str(pairs), "--corpus", str(corpus(tmp_path))],
        ["mine", base, str(mined), str(pairs), "--ranks", "2", "9", "--keep-within", "0", "--device", "cpu"],
        ["train", "finetune", "--model", base, "--data", str(mined), "--output", str(run), *small, *watched],
        ["evaluate", base, tuned, "--on", str(task), "--output", str(figures)],
        ["soup", str(tmp_path / "soup"), tuned, tuned],
        ["export", str(run), str(tmp_path / "exported")],
        ["verify", str(tmp_path / "exported")],
        ["verify", str(tmp_path / "soup")],
    ]

    for command in commands:
        assert main(command) == 0, command

    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert set(logged[-1]["evaluation"]) == {"task@32", "task@16", "mean@32", "mean@16"}
    assert len(json.loads(figures.read_text())) == 2


def test_scratch_makes_a_model_that_trains(tmp_path: Path, pairs: Path) -> None:
    made = tmp_path / "made"
    shape = ["--layers", "1", "--width", "32", "--heads", "2", "--key-heads", "1", "--inner", "64"]

    assert main(["scratch", "--data", str(pairs), "--output", str(made), "--vocabulary", "300", *shape]) == 0
    told = ["--data", str(pairs), "--output", str(tmp_path / "run"), "--steps", "2", "--batch-size", "4"]
    assert main(["train", "pretrain", "--model", str(made), "--device", "cpu", *told]) == 0
    assert main(["verify", str(tmp_path / "run" / "model")]) == 0


def test_what_goes_wrong_is_said_in_a_line(
    tmp_path: Path, qwen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = lines(tmp_path / "bad.jsonl", [{"query": "q", "pos": "p"}])

    status = main(
        ["train", "smoke", "--model", str(qwen), "--data", str(bad), "--output", str(tmp_path / "out")]
    )

    assert status == 1
    assert capsys.readouterr().err == f"{bad}:1: 'pos' must be a list of texts, not 'p'\n"


def test_help_comes_without_torch() -> None:
    code = "import sys, training.__main__; assert 'torch' not in sys.modules, 'torch'"

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    lines(folder / "corpus.jsonl", [{"_id": word, "text": f"the {word} there"} for word in WORDS])
    lines(folder / "queries.jsonl", [{"_id": word, "text": word} for word in WORDS])
    (folder / "qrels.tsv").write_text("h\th\th\n" + "".join(f"{word}\t{word}\t1\n" for word in WORDS))
    return folder
