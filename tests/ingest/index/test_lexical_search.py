"""The embedded engine, given our sparse vectors, scores as BM25 written out does."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import qdrant_edge as edge

from ingest.lexical import SparseVector, encode_documents, encode_queries

LIBRARY = Path(__file__).parents[3] / "app" / "sample" / "library"
QUERIES = [
    "refund within 14 days",
    "Wie lange dauert die Gewährleistung?",
    "自転車の鍵をなくした",
    "seguro del alquiler",
    "ค่าเช่าจักรยาน",
    "자전거 헬멧",
    "THE the the",
    "no such word: xyzzy",
]


@pytest.fixture(scope="module")
def paragraphs() -> list[str]:
    files = sorted([*LIBRARY.glob("*.md"), *LIBRARY.glob("*.txt")])
    return [part for file in files for part in file.read_text(encoding="utf-8").split("\n\n") if part.strip()]


def points(vectors: Sequence[SparseVector]) -> list[edge.Point]:
    return [edge.Point(at, {"lexical": given(vector)}, {}) for at, vector in enumerate(vectors)]


def given(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


def open_shard(folder: Path) -> edge.EdgeShard:
    lexical = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeShard.create(
        str(folder), edge.EdgeConfig(vectors={}, sparse_vectors={"lexical": lexical})
    )


def search(shard: edge.EdgeShard, query: str, limit: int) -> dict[int, float]:
    nearest = edge.Query.Nearest(given(encode_queries([query])[0]), using="lexical")
    return {hit.id: hit.score for hit in shard.query(edge.QueryRequest(limit=limit, query=nearest))}


def bm25(query: str, documents: Sequence[SparseVector]) -> dict[int, float]:
    """The sum written out, with the IDF as Lucene has it, over `documents`."""
    counts = Counter(index for vector in documents for index in vector.indices.tolist())
    (asked,) = encode_queries([query])
    weights = {
        index: value * math.log(1 + (len(documents) - counts[index] + 0.5) / (counts[index] + 0.5))
        for index, value in zip(asked.indices.tolist(), asked.values.tolist(), strict=True)
    }
    scores = {
        at: sum(
            weights.get(index, 0.0) * value
            for index, value in zip(vector.indices.tolist(), vector.values.tolist(), strict=True)
        )
        for at, vector in enumerate(documents)
    }
    return {at: score for at, score in scores.items() if score > 0}


@pytest.mark.parametrize("query", QUERIES)
def test_the_engine_scores_as_the_formula_does(query: str, paragraphs: list[str], tmp_path: Path) -> None:
    documents = encode_documents(paragraphs)
    shard = open_shard(tmp_path)
    shard.update(edge.UpdateOperation.upsert_points(points(documents)))

    found = search(shard, query, len(documents))

    assert found == pytest.approx(bm25(query, documents), rel=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_deleted_points_are_not_found_and_after_reopening_not_counted(
    paragraphs: list[str], tmp_path: Path
) -> None:
    documents = encode_documents(paragraphs)
    shard = open_shard(tmp_path)
    shard.update(edge.UpdateOperation.upsert_points(points(documents)))
    kept = len(documents) // 2

    shard.update(edge.UpdateOperation.delete_points(list(range(kept, len(documents)))))
    before = search(shard, QUERIES[0], len(documents))
    shard.close()
    after = search(edge.EdgeShard.load(str(tmp_path)), QUERIES[0], len(documents))

    counted = bm25(QUERIES[0], documents)  # the deleted ones too: both counts of the IDF still hold them
    assert before == pytest.approx({at: counted[at] for at in counted if at < kept}, rel=1e-5)
    assert after == pytest.approx(bm25(QUERIES[0], documents[:kept]), rel=1e-5)


def test_an_empty_vector_is_stored_and_found_by_nothing(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)

    shard.update(edge.UpdateOperation.upsert_points(points(encode_documents(["", "refund"]))))

    assert shard.count(edge.CountRequest(exact=True)) == 2
    assert set(search(shard, "refund", 10)) == {1}
    assert search(shard, "?!", 10) == {}


def test_sparse_vectors_survive_reopening(paragraphs: list[str], tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    shard.update(edge.UpdateOperation.upsert_points(points(encode_documents(paragraphs))))
    before = search(shard, QUERIES[1], 10)
    shard.close()

    reopened = edge.EdgeShard.load(str(tmp_path))

    assert search(reopened, QUERIES[1], 10) == pytest.approx(before)


def test_a_collection_made_without_a_lexical_leg_can_get_one(tmp_path: Path) -> None:
    dense = {"d2": edge.EdgeVectorParams(2, edge.Distance.Dot)}
    shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors=dense))
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(0, {"d2": [1.0, 0.0]}, {})]))

    shard.update(edge.UpdateOperation.create_sparse_vector("lexical", modifier=edge.Modifier.Idf))
    (refund,) = encode_documents(["a refund"])
    shard.update(edge.UpdateOperation.update_vectors([edge.PointVectors(0, {"lexical": given(refund)})]))

    assert set(search(shard, "refund", 10)) == {0}
