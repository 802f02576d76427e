"""More like this, MMR, reranking, and what a search says of itself."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from app.client import Client, ServiceError
from app.diversity import diversify
from app.fusion import WORTH_ABROAD
from app.schemas import Hit, SearchRequest, SearchResponse, SimilarRequest
from embedder.pooling import normalise
from tests.app.conftest import Serve, running, wait
from tests.embedder.rerank_server import RerankApp

FILES = {
    "a.md": "# A\n\nthe battery wants a cool and dry place in winter",
    "b.md": "# B\n\nthe battery wants a cool and dry place in winter too",
    "c.md": "# C\n\nthe battery is charged",
    "d.md": "# D\n\nbread wants flour and water",
}


@pytest.fixture
def fill(connect: Callable[..., Client]) -> Callable[[str], Client]:
    def fill_it(url: str) -> Client:
        client = connect(url)
        client.create_collection("library")
        files = [(name, io.BytesIO(text.encode())) for name, text in FILES.items()]
        wait(client, client.upload("library", files).id)
        return client

    return fill_it


@pytest.fixture
def shelf(serve: Serve, fill: Callable[[str], Client]) -> Client:
    return fill(serve())


def search(client: Client, query: str = "battery place winter", **asked: Any) -> SearchResponse:
    return client.search(SearchRequest.model_validate({"query": query, **asked}))


def names(hits: list[Hit]) -> list[str]:
    return [hit.sources[0].name for hit in hits]


def test_more_like_a_passage_are_its_neighbours_and_nothing_is_encoded(shelf: Client) -> None:
    ids = {one.name: one.id for one in shelf.documents("library").documents}
    before = encoded(shelf)

    found = shelf.similar(SimilarRequest(document=ids["a.md"], passage=0))

    assert names(found.hits)[0] == "b.md"
    assert "a.md" not in names(found.hits)
    assert found.ranking == "dense"
    assert encoded(shelf) == before
    own = shelf.similar(SimilarRequest(document=ids["a.md"], passage=0, same_document=True))
    assert "a.md" not in names(own.hits)  # it has but this passage
    only = shelf.similar(SimilarRequest(document=ids["a.md"], passage=0, documents=[ids["c.md"]]))
    assert names(only.hits) == ["c.md"]


def encoded(client: Client) -> list[str]:
    """How many texts of each kind the encoder has had."""
    metrics = httpx.get(f"{client.url}/metrics").text.splitlines()
    counted = [line for line in metrics if line.startswith("kalm_encoder_texts_total{")]
    assert counted
    return counted


def test_what_is_not_there_is_like_nothing(shelf: Client) -> None:
    known = shelf.documents("library").documents[0]
    with pytest.raises(ServiceError, match=f"{known.name} has no passage 7") as raised:
        shelf.similar(SimilarRequest(document=known.id, passage=7))
    assert raised.value.status == 404
    with pytest.raises(ServiceError, match="no document 'x'"):
        shelf.similar(SimilarRequest(document="x", passage=0))


def test_mmr_is_what_its_formula_says() -> None:
    random = np.random.default_rng(0)
    vectors = normalise(random.normal(size=(12, 8)).astype(np.float32))
    relevance = np.sort(random.random(12).astype(np.float32))[::-1].copy()

    for diversity in (0.0, 0.3, 0.7, 1.0):
        taken: list[int] = []
        while len(taken) < 12:
            values = {
                row: (1 - diversity) * float(relevance[row])
                - diversity * max((float(vectors[row] @ vectors[one]) for one in taken), default=0.0)
                for row in range(12)
                if row not in taken
            }
            taken.append(max(values, key=values.__getitem__))
        assert [row for row, _ in diversify(relevance, vectors, diversity)] == taken
    assert [row for row, _ in diversify(relevance, vectors, 0.0)] == list(range(12))


@pytest.mark.parametrize("group", [None, "document"])
def test_diversity_moves_a_near_copy_down_and_drops_nothing(shelf: Client, group: str | None) -> None:
    plain = search(shelf, group=group)
    assert set(names(plain.hits)[:2]) == {"a.md", "b.md"}

    mixed = search(shelf, group=group, diversity=0.7)

    assert set(names(mixed.hits)[:2]) != {"a.md", "b.md"}
    assert sorted(names(mixed.hits)) == sorted(names(plain.hits))
    assert [hit.diverse.rank for hit in mixed.hits if hit.diverse] == [1, 2, 3, 4]
    pages = [name for at in range(4) for name in names(search(shelf, diversity=0.7, limit=1, offset=at).hits)]
    assert pages == names(search(shelf, diversity=0.7).hits)


@pytest.fixture
def reranking(serve: Serve, fill: Callable[[str], Client]) -> Iterator[tuple[Client, RerankApp]]:
    app = RerankApp()
    with running(app.app) as url:
        yield fill(serve(reranker=f"{url}/jina/rerank", reranker_candidates=3, reranker_model="m")), app


def test_a_reranker_orders_the_first_candidates(reranking: tuple[Client, RerankApp]) -> None:
    client, app = reranking
    query = "the battery is charged in winter"
    plain = search(client, query, rerank=False)

    found = search(client, query, explain=True)

    assert found.reranker == "m"
    assert found.reranker_problem is None
    assert sorted(names(found.hits)) == sorted(names(plain.hits))
    scores = [hit.rerank.score for hit in found.hits if hit.rerank]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert [hit.rerank.rank if hit.rerank else None for hit in found.hits] == [1, 2, 3, None]
    assert found.explain is not None
    assert found.explain.reranked == 3
    assert found.explain.steps_ms["rerank"] > 0
    assert len(app.requests[-1]["documents"]) == 3
    assert plain.reranker is None
    assert all(hit.rerank is None for hit in plain.hits)


def test_a_reranker_that_fails_leaves_the_order_and_says_so(
    serve: Serve, fill: Callable[[str], Client]
) -> None:
    client = fill(serve(reranker="http://127.0.0.1:9/rerank"))

    found = search(client)

    assert names(found.hits) == names(search(client, rerank=False).hits)
    assert found.reranker is None
    assert found.reranker_problem is not None
    assert "the reranker at http://127.0.0.1:9/rerank did not answer" in found.reranker_problem


def test_a_search_explains_itself(shelf: Client) -> None:
    found = search(shelf, explain=True, languages=["en"], diversity=0.2)

    said = found.explain
    assert said is not None
    assert said.dims == [64, 256]
    assert said.candidates == {"dense": 4, "lexical": 4}
    assert said.levels == 1
    assert said.finder == "prefix"
    assert said.filters == {"languages": ["en"]}
    assert said.join["worth"] == 0.7
    assert said.join["sureness"] == found.sureness
    abroad = search(shelf, "Wo wird die Batterie im Winter geladen?", explain=True)
    assert abroad.explain is not None
    assert abroad.explain.join["worth"] == WORTH_ABROAD  # what words share across languages are names
    assert said.diversity == 0.2
    assert {"encode", "dense", "lexical", "join", "diversity", "documents"} <= said.steps_ms.keys()
    assert sum(said.steps_ms.values()) <= found.timing.total_ms + 1
    assert search(shelf).explain is None


@pytest.mark.parametrize(
    ("asked", "dims"),
    [({"exact": True}, [256]), ({"dim": 64}, [64]), ({"ranking": "lexical"}, [])],
)
def test_an_explanation_tells_the_modes_apart(shelf: Client, asked: dict[str, Any], dims: list[int]) -> None:
    said = search(shelf, explain=True, **asked).explain

    assert said is not None
    assert (said.dims, said.finder) == (dims, None)
