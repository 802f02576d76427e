"""The service's search as LlamaIndex's retriever."""

import asyncio
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from app.client import Client, ServiceError
from app.llama_index import KalmRetriever
from app.schemas import SearchRequest


def test_a_retriever_gives_the_service_s_hits(library: Client) -> None:
    retriever = KalmRetriever(library, limit=3)

    nodes = retriever.retrieve("where does the battery go in winter")

    hits = library.search(SearchRequest(query="where does the battery go in winter", limit=3)).hits
    assert [(node.text, node.score) for node in nodes] == [(hit.text, hit.score) for hit in hits]
    first = nodes[0].node
    assert first.metadata["name"] == hits[0].sources[0].name
    assert first.id_ == f"{hits[0].sources[0].document}.{hits[0].position}"
    assert "document" not in first.get_content("llm")
    assert asyncio.run(retriever.aretrieve("Akku"))[0].text.startswith("Der Akku")


def test_a_retriever_filters_as_the_service_does(library: Client) -> None:
    assert {
        one.metadata["name"] for one in KalmRetriever(library, languages=["de"]).retrieve("x Winter")
    } == {"akku.md"}
    with pytest.raises(ValidationError, match="top_k"):
        KalmRetriever(library, top_k=3)
    with pytest.raises(ServiceError, match="no field 'dept'"):
        KalmRetriever(library, fields={"dept": "hr"}).retrieve("x")


def test_a_retriever_without_a_service_says_so(connect: Callable[..., Client]) -> None:
    with pytest.raises(ServiceError, match="start it with"):
        KalmRetriever(connect("http://127.0.0.1:9")).retrieve("x")
