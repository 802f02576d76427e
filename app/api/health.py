"""Is it alive, is it ready, and what does it run on."""

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Request

from app.api.auth import reader
from app.schemas import EncoderInfo, Health
from app.service import Service
from embedder.errors import Draining
from ingest.parse import FORMATS

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[Literal["status"], str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request) -> dict[Literal["status"], str]:
    """Model, index and ledger are open; they are before the first request is taken, until it stops."""
    service: Service = request.app.state.service
    if service.encoder.draining:
        raise Draining("the service is shutting down")
    return {"status": "ready"}


@router.get("/v1/status", dependencies=[reader])
def status(request: Request) -> Health:
    service: Service = request.app.state.service
    encoder = service.encoder
    return Health(
        status="ready",
        version=version("kalm-rag"),
        encoder=EncoderInfo(
            name=encoder.name,
            languages=encoder.card.languages,
            english_only=encoder.card.language_codes == ("en",),
            dims=list(encoder.dims),
            max_tokens=encoder.card.max_tokens,
            device=encoder.device,
            licence=encoder.card.licence,
        ),
        index=service.location.describe(),
        llm=service.llm.name if service.llm else None,
    )


@router.get("/v1/formats", dependencies=[reader])
def formats() -> list[str]:
    """What can be ingested, as shown to people."""
    return list(FORMATS)
