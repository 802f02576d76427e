"""A query and passages -> how well each answers it, read together; here by a server that speaks `/rerank`."""

import weakref
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from embedder.errors import RerankerFailed

Api = Literal["jina", "cohere", "tei"]
"""Whose requests: Jina's (also vLLM's, llama.cpp's, Infinity's), Cohere's, text-embeddings-inference's."""


class Reranker(Protocol):
    name: str
    depth: int
    """How many candidates it is given."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """For each text, 0 to 1, higher is better. Raises RerankerFailed."""
        ...


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Result(_Answer):
    index: int
    relevance_score: Annotated[float, Field(allow_inf_nan=False)]


class _Results(_Answer):
    results: list[_Result]


class _TeiResult(_Answer):
    index: int
    score: Annotated[float, Field(allow_inf_nan=False)]


_TEI = TypeAdapter(list[_TeiResult])


class RerankServer:
    """A `/rerank` endpoint. Query and passages leave this machine, to the URL that was given."""

    def __init__(
        self,
        url: str,
        depth: int,
        *,
        api: Api = "jina",
        model: str = "",
        api_key: str | None,
        timeout_s: float,
    ) -> None:
        """`url` up to and with "/rerank"."""
        self.name, self.depth = model or httpx.URL(url).host, depth
        self._url, self._api, self._model = url, api, model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=timeout_s)
        self._timeout_s = timeout_s
        weakref.finalize(self, self._client.close)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        try:
            response = self._client.post(self._url, json=self._body(query, list(texts)))
            response.raise_for_status()
            scores = self._read(response.content)
        except httpx.TimeoutException as error:
            raise RerankerFailed(
                f"the reranker at {self._url} took longer than {self._timeout_s:g} s "
                "(KALM_RERANKER_TIMEOUT_S)"
            ) from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise RerankerFailed(
                f"the reranker at {self._url} answered {status}: check KALM_RERANKER_MODEL, "
                "KALM_RERANKER_API_KEY and KALM_RERANKER_API"
            ) from error
        except httpx.HTTPError as error:
            what = error or type(error).__name__
            raise RerankerFailed(f"the reranker at {self._url} did not answer ({what})") from error
        except ValidationError as error:
            raise RerankerFailed(
                f"the reranker at {self._url} does not answer as {self._api}'s do: check KALM_RERANKER_API"
            ) from error
        if scores.keys() != set(range(len(texts))):
            raise RerankerFailed(f"the reranker at {self._url} scored {len(scores)} of {len(texts)} passages")
        return [scores[at] for at in range(len(texts))]

    def _body(self, query: str, texts: list[str]) -> dict[str, Any]:
        if self._api == "tei":
            return {"query": query, "texts": texts, "truncate": True}
        body = {"query": query, "documents": texts, "top_n": len(texts)}
        if self._model:
            body["model"] = self._model
        return body | ({"return_documents": False} if self._api == "jina" else {})

    def _read(self, content: bytes) -> dict[int, float]:
        if self._api == "tei":
            return {one.index: one.score for one in _TEI.validate_json(content)}
        return {one.index: one.relevance_score for one in _Results.model_validate_json(content).results}
