"""`/v1/embeddings` and `/v1/models`: OpenAI's contract over our encoder."""

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from app.api.auth import reader
from app.api.errors import ApiError
from app.schemas import EmbeddingsRequest
from app.service import Service
from embedder import Encoder
from embedder.errors import TextTooLong, UnknownDim

router = APIRouter(prefix="/v1", tags=["embeddings"], dependencies=[reader])

MAX_INPUTS = 2048
MAX_TOKENS = 300_000
"""Summed over a request, as OpenAI."""
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
def embeddings(body: EmbeddingsRequest, request: Request) -> dict[str, Any]:
    """Encode a text or a list of texts."""
    service: Service = request.app.state.service
    encoder = service.encoder
    _require_model(body.model, encoder)
    texts = _texts(body)
    tokens = sum(len(encoder.token_spans(text)) for text in texts)
    if tokens > MAX_TOKENS:
        raise ApiError(400, f"{tokens} tokens in one request, at most {MAX_TOKENS}", param="input")
    encode = encoder.encode_queries if body.model.endswith(QUERY_SUFFIX) else encoder.encode_documents
    try:
        vectors = encode(texts, dim=body.dimensions)
    except UnknownDim as error:
        raise ApiError(400, str(error), param="dimensions", code="unknown_dim") from error
    except TextTooLong as error:
        raise ApiError(400, str(error), param="input", code="context_length_exceeded") from error
    return {
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
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


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
