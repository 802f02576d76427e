"""A `/rerank` server on loopback: Jina's, Cohere's and TEI's; the model's name says how it behaves."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response


class RerankApp:
    """Scores a passage by the share of the query's words in it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.requests: list[dict[str, Any]] = []
        """Bodies, as they came, with the bearer key as `key`."""
        self.app.post("/{api}/rerank")(self.rerank)

    async def rerank(self, api: str, request: Request) -> Any:
        body = await request.json()
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.requests.append({**body, "key": key})
        texts = body["texts"] if api == "tei" else body["documents"]
        scores = [score(body["query"], text) for text in texts]
        match body.get("model"):
            case "slow":
                await asyncio.sleep(1)
            case "refuses":
                return JSONResponse({"detail": "no such model"}, 422)
            case "garbles":
                return Response("<html>", media_type="text/html")
            case "forgets":
                scores = scores[1:]
            case "infinite":
                return Response('{"results": [{"index": 0, "relevance_score": 1e999}]}')
        order = sorted(range(len(scores)), key=lambda at: -scores[at])
        if api == "tei":
            return [{"index": at, "score": scores[at]} for at in order]
        results = [{"index": at, "relevance_score": scores[at]} for at in order]
        return {"id": "1", "results": results, "meta": {"billed_units": {"search_units": 1}}}


def score(query: str, text: str) -> float:
    words = set(query.lower().split())
    return len(words & set(text.lower().replace(".", " ").split())) / len(words)
