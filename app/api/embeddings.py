"""`/v1/embeddings` and `/v1/models`: OpenAI's contract over our encoder."""

import asyncio
import base64
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.auth import reader
from app.api.errors import ApiError
from app.schemas import EmbeddingsRequest
from app.service import Service
from embedder import Encoder, Vectors, fit
from embedder.errors import TextTooLong, UnknownDim
from embedder.pooling import require_dim, truncate

router = APIRouter(prefix="/v1", tags=["embeddings"], dependencies=[reader])

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""Summed over a request, as OpenAI."""
TOO_LONG = "context_length_exceeded"
CLIENT_GONE = 499
"""nginx's word for it; nobody is there to read it, but the metrics count it."""
GONE_S = 0.25
"""How often to look whether the client is still there."""
QUERY_SUFFIX = ":query"
"""Model name + this encodes queries, with the model's instruction; the plain name encodes documents."""


@router.get("/models")
def models(request: Request) -> dict[str, Any]:
    service: Service = request.app.state.service
    return {"object": "list", "data": [_model(name) for name in _names(service.encoder)]}


@router.get("/models/{model:path}")
def model(model: str, request: Request) -> dict[str, Any]:
    service: Service = request.app.state.service
    _require_model(model, service.encoder)
    return _model(model)


@router.post("/embeddings")
async def embeddings(body: EmbeddingsRequest, request: Request) -> Response:
    """Encode a text or a list of texts; given up when the client is gone."""
    service: Service = request.app.state.service
    encoder = service.encoder
    _require_model(body.model, encoder)
    dim = _width(body, encoder)
    asked = await run_in_threadpool(_read, body, encoder)
    kind: Literal["query", "document"] = "query" if body.model.endswith(QUERY_SUFFIX) else "document"
    future = encoder.submit(kind, asked.texts, asked.tokens)
    try:
        vectors = await _unless_gone(request, future)
    except TextTooLong as error:
        raise ApiError(400, str(error), param="input", code=TOO_LONG) from error
    if vectors is None:
        return Response(status_code=CLIENT_GONE)
    return await run_in_threadpool(_answer, body, asked, truncate(vectors, dim))


class _Asked(NamedTuple):
    texts: list[str]
    tokens: list[int]
    """Of each text, without special tokens and instruction."""
    dropped: int
    """Tokens cut off, because that was asked for."""


def _width(body: EmbeddingsRequest, encoder: Encoder) -> int:
    try:
        return require_dim(body.dimensions, encoder.dims, encoder.name)
    except UnknownDim as error:
        raise ApiError(400, str(error), param="dimensions", code="unknown_dim") from error


def _read(body: EmbeddingsRequest, encoder: Encoder) -> _Asked:
    """The texts asked for, counted and, if so wished, cut."""
    texts = _texts(body)
    dropped = 0
    if body.truncate:
        texts, cut = map(list, zip(*(fit(text, encoder) for text in texts), strict=True))
        dropped = sum(cut)
    tokens = [len(encoder.token_spans(text)) for text in texts]
    for index, count in enumerate(tokens):
        if count > encoder.room:
            message = (
                f"input[{index}] has {count} tokens, {encoder.name} takes {encoder.room}: "
                'split it, or send "truncate": true to have it cut'
            )
            raise ApiError(400, message, param="input", code=TOO_LONG)
    if sum(tokens) > MAX_TOKENS:
        raise ApiError(400, f"{sum(tokens)} tokens in one request, at most {MAX_TOKENS}", param="input")
    return _Asked(texts, tokens, dropped)


async def _unless_gone(request: Request, future: Future[Vectors]) -> Vectors | None:
    """The vectors, or None if the client went away; what it asked for is then not computed."""
    waiting = asyncio.wrap_future(future)
    while not (await asyncio.wait({waiting}, timeout=GONE_S))[0]:
        if await request.is_disconnected():
            waiting.cancel()
            return None
    return waiting.result()


def _answer(body: EmbeddingsRequest, asked: _Asked, vectors: Vectors) -> Response:
    if not np.isfinite(vectors).all():
        message = "the model gave numbers that are not finite: its weights are damaged"
        raise ApiError(500, message, type="server_error", code="not_finite")
    usage = {"prompt_tokens": sum(asked.tokens), "total_tokens": sum(asked.tokens)}
    return JSONResponse(
        {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _base64(vector) if body.encoding_format == "base64" else vector.tolist(),
                }
                for index, vector in enumerate(vectors)
            ],
            "model": body.model,
            "usage": usage | ({"dropped_tokens": asked.dropped} if body.truncate else {}),
        }
    )


def _texts(body: EmbeddingsRequest) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else body.input
    if not given or len(given) > MAX_INPUTS:
        raise ApiError(400, f"input: give 1 to {MAX_INPUTS} texts, not {len(given)}", param="input")
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        message = (
            "input: token ids are refused, because they are of another model's vocabulary and would give "
            "wrong vectors; send text (LangChain: check_embedding_ctx_length=False)"
        )
        raise ApiError(400, message, param="input", code="token_ids")
    for index, text in enumerate(texts):
        if not text.strip():
            raise ApiError(400, f"input[{index}] is empty", param="input")
    return texts


def _names(encoder: Encoder) -> tuple[str, str]:
    return encoder.name, encoder.name + QUERY_SUFFIX


def _require_model(name: str, encoder: Encoder) -> None:
    if name not in _names(encoder):
        message = f"no model {name!r} here; this service runs {' and '.join(_names(encoder))}"
        raise ApiError(404, message, param="model", code="model_not_found")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "kalm-rag"}


def _base64(vector: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
