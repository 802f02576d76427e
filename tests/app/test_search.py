"""One question, three rankings."""

import pytest

from app.client import Client
from app.schemas import Ranking, SearchRequest
from tests.app.test_preview import upload


@pytest.fixture
def shelf(client: Client) -> Client:
    client.create_collection("library")
    upload(
        client,
        battery=b"# Battery\n\nThe battery wants a cool and dry place in winter.",
        error=b"# Codes\n\nError KX-4711 means that the chain is loose.",
        german=b"# H\xc3\xa4user\n\nDie alten H\xc3\xa4user am Fluss werden im Winter geheizt.",
    )
    return client


def names(client: Client, query: str, ranking: Ranking) -> list[str]:
    response = client.search(SearchRequest(query=query, ranking=ranking))
    assert response.ranking == ranking
    return [hit.sources[0].name for hit in response.hits]


@pytest.mark.parametrize("query", ["kx-4711", "KX-4711", "what is KX-4711?"])
@pytest.mark.parametrize("ranking", ["hybrid", "lexical"])
def test_a_code_is_found_by_its_letters(shelf: Client, query: str, ranking: Ranking) -> None:
    assert names(shelf, query, ranking)[0] == "error.md"


def test_a_word_is_found_in_another_form(shelf: Client) -> None:
    assert names(shelf, "haus", "lexical") == ["german.md"]


def test_what_shares_no_word_is_no_lexical_hit(shelf: Client) -> None:
    response = shelf.search(SearchRequest(query="zzz", ranking="lexical"))

    assert (response.hits, response.sureness) == ([], 0.0)


def test_a_hit_says_where_each_ranking_has_it(shelf: Client) -> None:
    first = shelf.search(SearchRequest(query="battery winter")).hits[0]

    assert first.sources[0].name == "battery.md"
    assert first.dense is not None
    assert first.lexical is not None
    assert (first.dense.rank, first.lexical.rank) == (1, 1)
    assert 0 < first.score <= 1


def test_pages_of_a_joined_ranking_follow_one_another(shelf: Client) -> None:
    query = "winter"
    whole = [hit.text for hit in shelf.search(SearchRequest(query=query, limit=3)).hits]
    pages = [
        hit.text
        for offset in range(3)
        for hit in shelf.search(SearchRequest(query=query, limit=1, offset=offset)).hits
    ]

    assert pages == whole


def test_filters_hold_for_both_rankings(shelf: Client) -> None:
    found = shelf.search(SearchRequest(query="Winter", languages=["de"])).hits

    assert {hit.language for hit in found} == {"de"}
