"""Negatives of the right ranks; pairs whose positive is not found are dropped."""

from pathlib import Path

import numpy as np
import pytest

import embedder
from embedder.encoder import Vectors
from embedder.fake import FakeEncoder
from training.config import MineConfig
from training.data import Row
from training.errors import BadConfig
from training.mine import mine
from training.reader import Reader
from training.search import nearest


class Line:
    """Texts are numbers; the nearer two numbers, the nearer their vectors."""

    dims = (2,)
    dim = 2
    room = 100
    fingerprint = "line"

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]

    def encode_documents(self, texts: list[str]) -> Vectors:
        angles = np.array([float(text) for text in texts]) / 200
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    encode_queries = encode_documents


def reader() -> Reader:
    return Reader(Line())  # type: ignore[arg-type]


def test_negatives_come_from_the_ranks_and_never_are_positives_or_the_query() -> None:
    rows = [Row("0", ("1", "12"), task="t")]
    config = MineConfig(ranks=(5, 15), negatives=4, relative_margin=0.0)

    (row,), account = mine(rows, reader(), config, [str(n) for n in range(40)])

    # without 0, 1 and 12 what is near 0 is 2, 3, ...: ranks 5 to 14 are 7 to 11 and 13 to 17
    assert len(row.negatives) == 4
    assert set(row.negatives) <= {"7", "8", "9", "10", "11", "13", "14", "15", "16", "17"}
    assert account.ranks == {"1-9": 1}
    assert row.positive_scores[0] > max(row.negative_scores)


def test_the_nearest_that_qualify_are_taken_if_asked_for() -> None:
    config = MineConfig(ranks=(2, 15), negatives=3, choice="top", relative_margin=0.0)

    (row,), _ = mine([Row("0", ("1",), task="t")], reader(), config, [str(n) for n in range(40)])

    assert row.negatives == ("4", "5", "6")


def test_what_scores_nearly_as_the_positive_is_no_negative() -> None:
    config = MineConfig(ranks=(0, 30), negatives=30, relative_margin=0.05, choice="top")

    (row,), _ = mine([Row("0", ("10",), task="t")], reader(), config, [str(n * 5) for n in range(40)])

    assert min(float(text) for text in row.negatives) > 60
    assert max(row.negative_scores) <= 0.95 * row.positive_scores[0]


def test_a_pair_whose_positive_is_too_far_is_dropped_and_counted() -> None:
    rows = [Row("0", ("1",), task="t"), Row("20", ("0",), task="t")]
    config = MineConfig(ranks=(5, 30), keep_within=10)

    found, account = mine(rows, reader(), config, [str(n) for n in range(40)])

    assert [row.query for row in found] == ["0"]
    assert account.dropped == {"t": 1}
    everything, _ = mine(
        rows, reader(), MineConfig(ranks=(5, 30), keep_within=0), [str(n) for n in range(40)]
    )
    assert len(everything) == 2


def test_negatives_that_were_there_stay_and_other_kinds_of_rows_pass() -> None:
    rows = [Row("0", ("1",), ("39",), task="t"), Row("x", label="l", task="classes")]
    config = MineConfig(ranks=(5, 30), negatives=3, relative_margin=0.0)

    found, _ = mine(rows, reader(), config, [str(n) for n in range(40)])

    assert found[0].negatives[0] == "39"
    assert len(found[0].negatives) == 3
    assert found[1] == rows[1]


def test_a_pool_too_small_for_the_ranks_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadConfig, match="1 passages, negatives would come from rank 50 on: lower --ranks"):
        mine([Row("0", ("1",), task="t")], reader(), MineConfig())


def test_search_in_blocks_is_search_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, documents = (rng.standard_normal((n, 8)).astype(np.float32) for n in (1030, 700))
    monkeypatch.setattr("training.search._SCORES", 1 << 17)

    scores, positions = nearest(queries, documents, 9)

    whole = queries @ documents.T
    assert (positions == np.argsort(-whole, axis=1, kind="stable")[:, :9]).all()
    assert np.allclose(scores, np.take_along_axis(whole, positions, 1), atol=1e-5)


def test_vectors_are_remembered_until_the_weights_change(tmp_path: Path) -> None:
    class Counting(FakeEncoder):
        calls = 0

        def encode_documents(self, texts: list[str], dim: int | None = None) -> Vectors:  # type: ignore[override]
            Counting.calls += 1
            return super().encode_documents(texts, dim)

    encoder = Counting()
    first = Reader(encoder, tmp_path).encode_documents(["a", "b"])
    again = Reader(encoder, tmp_path).encode_documents(["a", "b"])
    assert (np.asarray(first) == np.asarray(again)).all()
    assert Counting.calls == 1

    encoder.fingerprint = "other weights"
    Reader(encoder, tmp_path).encode_documents(["a", "b"])
    assert Counting.calls == 2
    assert isinstance(embedder.load("fake"), FakeEncoder)
