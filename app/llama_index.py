"""Our search as LlamaIndex's retriever: `KalmRetriever(Client(url, key), collection="library")`.

It asks the service over HTTP, so filters, access and ranking are the service's own. The encoder alone is in
`embedder.llama_index`.
"""

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from app.client import Client
from app.schemas import Hit, SearchRequest


class KalmRetriever(BaseRetriever):
    """Finds passages; `asked` is what a `SearchRequest` may say beside its query, filters included.

    Raises ServiceError where the service refuses or is not there.
    """

    def __init__(self, client: Client, **asked: Any) -> None:
        super().__init__()
        self._client = client
        self._asked = SearchRequest.model_validate({"query": "-", **asked}).model_dump(exclude_unset=True)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        request = SearchRequest.model_validate({**self._asked, "query": query_bundle.query_str})
        found = self._client.search(request).hits
        return [_node(one) for hit in found for one in (hit, *hit.more)]


def _node(hit: Hit) -> NodeWithScore:
    source = hit.sources[0]
    said = {
        "document": source.document,
        "name": source.name,
        "title": hit.title,
        "heading": " › ".join(hit.heading),
        "page": hit.page,
        "position": hit.position,
        "language": hit.language,
    }
    node = TextNode(
        id_=f"{source.document}.{hit.position}",
        text=hit.text,
        metadata={name: value for name, value in said.items() if value not in (None, "")},
        excluded_embed_metadata_keys=["document", "position"],
        excluded_llm_metadata_keys=["document", "position"],
    )
    return NodeWithScore(node=node, score=hit.rerank.score if hit.rerank else hit.score)
