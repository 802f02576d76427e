"""LlamaIndex's own index, retriever and pipeline, over our encoder."""

import asyncio

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode

from embedder.errors import TextTooLong, UnknownDim
from embedder.fake import FakeEncoder
from embedder.llama_index import KalmEmbedding

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DOCUMENTS = [
    Document(text="The battery wants a cool and dry place."),
    Document(text="Flour, water, salt and time make bread."),
]


def test_vectors_are_the_encoders_own_in_sync_and_async() -> None:
    encoder, model = FakeEncoder(), KalmEmbedding(FakeEncoder(), dim=64)

    texts = model.get_text_embedding_batch(["one", "two"])

    assert texts == encoder.encode_documents(["one", "two"], dim=64).tolist()
    assert asyncio.run(model.aget_text_embedding_batch(["one", "two"])) == texts
    query = model.get_query_embedding("where")
    assert query == encoder.encode_queries(["where"], dim=64)[0].tolist()
    assert asyncio.run(model.aget_query_embedding("where")) == query


def test_an_index_finds_what_shares_words() -> None:
    index = VectorStoreIndex.from_documents(DOCUMENTS, embed_model=KalmEmbedding(FakeEncoder()))

    hits = index.as_retriever(similarity_top_k=1).retrieve("how to make bread")

    assert hits[0].text == DOCUMENTS[1].text


def test_a_pipeline_caches_and_never_mixes_models_widths_or_tasks() -> None:
    cache = IngestionCache()
    wide = KalmEmbedding(FakeEncoder())
    narrow = KalmEmbedding(FakeEncoder(), dim=64)
    tasked = KalmEmbedding(FakeEncoder(), task="sts")

    for model, width in ((wide, 256), (narrow, 64), (wide, 256)):
        pipeline = IngestionPipeline(transformations=[SentenceSplitter(), model], cache=cache)
        nodes = pipeline.run(documents=DOCUMENTS)
        assert [len(node.embedding or []) for node in nodes] == [width, width]
    nodes = [TextNode(text="one")]
    assert len({get_transformation_hash(nodes, model) for model in (wide, narrow, tasked)}) == 3


def test_wrong_widths_and_texts_too_long_are_refused() -> None:
    with pytest.raises(UnknownDim, match="fake has 256, 128, 64 dims, not 100"):
        KalmEmbedding.load("fake", dim=100)
    with pytest.raises(TextTooLong, match="600 tokens, fake takes 512"):
        KalmEmbedding.load("fake").get_text_embedding("w " * 600)
