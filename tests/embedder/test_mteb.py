"""mteb's own evaluation of our encoder, offline, on a task small enough to be worked out by hand."""

from math import log2
from pathlib import Path
from typing import Any

import pytest

mteb = pytest.importorskip("mteb", reason="mteb is not installed: pip install 'kalm-rag[eval]'")

from datasets import Dataset  # noqa: E402
from mteb.abstasks import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402

from embedder.errors import UnknownDim  # noqa: E402
from embedder.fake import FakeEncoder  # noqa: E402
from embedder.mteb import MtebEncoder  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Asked(FakeEncoder):
    """A fake that keeps account of who was encoded as what."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, str | None]] = []

    def encode_queries(self, texts: Any, task: str | None = None, dim: int | None = None) -> Any:
        self.queries += [(text, task) for text in texts]
        return super().encode_queries(texts, task, dim)


class Three(AbsTaskRetrieval):
    """Three documents; the second question's right one comes second."""

    metadata = TaskMetadata(
        name="Three",
        description="by hand",
        dataset={"path": "none/none", "revision": "0"},
        type="Retrieval",
        category="t2t",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        reference=None,
        date=None,
        domains=None,
        task_subtypes=None,
        license=None,
        annotations_creators=None,
        dialect=None,
        sample_creation=None,
        bibtex_citation=None,
    )

    def load_data(self, **_: Any) -> None:
        corpus = {"a": "cool dry place", "b": "flour water salt", "c": "water water everywhere"}
        queries = {"1": "a dry place", "2": "water"}
        self.dataset = {
            "default": {
                "test": {
                    "corpus": Dataset.from_list(
                        [{"id": key, "title": "", "text": text} for key, text in corpus.items()]
                    ),
                    "queries": Dataset.from_list(
                        [{"id": key, "text": text} for key, text in queries.items()]
                    ),
                    "relevant_docs": {"1": {"a": 1}, "2": {"b": 1}},
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


def test_mteb_scores_it_as_worked_out_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    encoder = Asked()

    found = mteb.evaluate(
        MtebEncoder(encoder, dim=128), Three(), cache=mteb.ResultCache(tmp_path), show_progress_bar=False
    )

    assert found.task_results[0].get_score() == pytest.approx((1 + 1 / log2(3)) / 2, abs=1e-5)
    assert encoder.queries == [("a dry place", "retrieval"), ("water", "retrieval")]
    assert found.model_name == "kalm-rag/fake-128"
    assert found.model_revision == "fake-2"


def test_a_width_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownDim, match="fake has 256, 128, 64 dims"):
        MtebEncoder(FakeEncoder(), dim=100)
