"""Each document once, its passages behind it; pages that fit together."""

import io

import pytest

from app.client import Client
from app.schemas import Hit, Ranking, SearchRequest
from tests.app.conftest import wait

SECTIONS = 130
"""More than the candidates of one level."""


@pytest.fixture
def shelf(client: Client) -> Client:
    """A book that has the word in every chapter, and twelve notes that have it once."""
    client.create_collection("library")
    # so many words that chapters are not put together; some are alike, and score the same
    chapters = [f"# Chapter {n}\n\n{'winter ' * (60 - n % 20)} number {n}\n\n" for n in range(SECTIONS)]
    book = "".join(chapters)
    files = [("book.md", book)]
    files += [(f"note-{n:02}.md", f"# Note {n}\n\nIn winter note {'x ' * n} {n} is read.") for n in range(12)]
    named = [(name, io.BytesIO(text.encode())) for name, text in files]
    wait(client, client.upload("library", named).id)
    return client


def search(client: Client, ranking: Ranking = "hybrid", **asked: int | str | bool) -> list[Hit]:
    request = {"query": "winter", "ranking": ranking, **asked}
    return client.search(SearchRequest.model_validate(request)).hits


def names(hits: list[Hit]) -> list[str]:
    return [hit.sources[0].name for hit in hits]


def test_a_long_document_is_shown_once_and_hides_nobody(shelf: Client) -> None:
    assert set(names(search(shelf))) == {"book.md"}

    for ranking in ("hybrid", "dense", "lexical"):
        hits = search(shelf, ranking, group="document", limit=20)
        assert sorted(names(hits)) == ["book.md", *(f"note-{n:02}.md" for n in range(12))]
        book = hits[names(hits).index("book.md")]
        assert len(book.more) == 3
        assert book.others > 50
        shown = [book, *book.more]
        assert len({hit.position for hit in shown}) == 4
        assert [hit.score for hit in shown] == sorted((hit.score for hit in shown), reverse=True)
        assert {hit.others for hit in hits if hit.sources[0].name != "book.md"} == {0}


def test_a_group_has_as_many_passages_as_asked_for(shelf: Client) -> None:
    assert [len(hit.more) for hit in search(shelf, group="document", limit=1, passages=1)] == [0]
    assert [len(hit.more) for hit in search(shelf, group="document", limit=1, passages=20)] == [19]


@pytest.mark.parametrize("group", ["document", None])
def test_pages_fit_together_whatever_their_size(shelf: Client, group: str | None) -> None:
    asked = {"group": group} if group else {}
    for ranking in ("hybrid", "dense", "lexical"):
        deep = 13 if group else SECTIONS + 12
        whole = [at for start in range(0, deep, 100) for at in places(shelf, ranking, 100, start, asked)]
        assert len(whole) == len(set(whole)) == deep
        for size in (5, 50) if group is None else (5,):
            pages = [
                at for start in range(0, deep, size) for at in places(shelf, ranking, size, start, asked)
            ]
            assert pages == whole, (ranking, size)


def places(
    client: Client, ranking: Ranking, limit: int, offset: int, asked: dict[str, str]
) -> list[tuple[str, int]]:
    hits = search(client, ranking, limit=limit, offset=offset, **asked)
    return [(hit.sources[0].name, hit.position) for hit in hits]


def test_nothing_lies_behind_the_last_page(shelf: Client) -> None:
    assert search(shelf, offset=SECTIONS + 12) == []
    assert search(shelf, group="document", offset=13) == []
