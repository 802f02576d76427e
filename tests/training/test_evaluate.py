"""Metrics against their definitions, on a task whose ranking is known."""

import math
from pathlib import Path

import numpy as np
import pytest

import embedder
from tests.training.conftest import lines
from training.data import Beir
from training.evaluate import as_json, difference, evaluate, measure, quick, table
from training.reader import Reader

TASK = Beir("t", {}, {}, {"q": {"a": 2, "b": 1, "c": 1}}, {})


def test_metrics_are_their_definitions() -> None:
    ranked = ["x", "b", "y", "a", *(f"z{at}" for at in range(20)), "c"]

    found = {name: value[0] for name, value in measure(TASK, ["q"], [ranked]).items()}

    gained = 1 / math.log2(3) + 2 / math.log2(5)
    best = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg_at_10"] == pytest.approx(gained / best)
    assert found["mrr_at_10"] == 1 / 2
    assert found["recall_at_10"] == pytest.approx(2 / 3)
    assert found["recall_at_100"] == 1


def test_nothing_found_is_zero_and_all_found_is_one() -> None:
    assert {v[0] for v in measure(TASK, ["q"], [["x"]]).values()} == {0}
    assert {v[0] for v in measure(TASK, ["q"], [["a", "b", "c"]]).values()} == {1}


def folder(tmp_path: Path) -> Path:
    words = ["red house", "blue river", "green stone", "white snow", "old bread", "new milk"]
    lines(tmp_path / "task" / "corpus.jsonl", [{"_id": w, "text": f"the {w} over there"} for w in words])
    queries = [{"_id": w, "text": w, "lang": "en" if at % 2 else "de"} for at, w in enumerate(words)]
    lines(tmp_path / "task" / "queries.jsonl", queries)
    rows = "".join(f"{w}\t{w}\t1\n" for w in words)
    (tmp_path / "task" / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    return tmp_path / "task"


def test_an_encoder_is_scored_at_each_width_and_language(tmp_path: Path) -> None:
    encoder = embedder.load("fake")

    results = evaluate(Reader(encoder), [folder(tmp_path)])

    assert [result.dim for result in results] == list(encoder.dims)
    full = results[0]
    assert full.mean() > 0.9
    assert full.interval()[0] <= full.mean() <= full.interval()[1]
    assert set(full.by_language()) == {"de", "en"}
    assert "task" in table(results)
    assert as_json(results)[0]["task"] == "task"
    assert quick(Reader(encoder), [folder(tmp_path)])[f"mean@{encoder.dim}"] == full.mean()


def test_two_models_are_compared_query_by_query(tmp_path: Path) -> None:
    results = evaluate(Reader(embedder.load("fake")), [folder(tmp_path)])
    best = results[0]
    worse = evaluate(Reader(embedder.load("fake")), [folder(tmp_path)])[0]
    worse.metrics["ndcg_at_10"] = np.zeros_like(best.metrics["ndcg_at_10"])

    gain, low, high = difference(worse, best)

    assert 0 < low <= gain <= high
    assert difference(best, best) == (0, 0, 0)
