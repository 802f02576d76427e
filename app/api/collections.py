"""Collections: list, make, drop."""

from datetime import datetime

from fastapi import APIRouter, Request

from app.api.auth import admin, editor, reader
from app.schemas import Collection, NewCollection
from app.service import Service

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.get("", dependencies=[reader])
def collections(request: Request) -> list[Collection]:
    service: Service = request.app.state.service
    return [_collection(service, name, created) for name, created in service.ledger.collections().items()]


@router.post("", status_code=201, dependencies=[editor])
def create(body: NewCollection, request: Request) -> Collection:
    """Make a collection for the encoder in use; one that is there is returned as it is."""
    service: Service = request.app.state.service
    service.create_collection(body.name)
    return collection(body.name, request)


@router.get("/{name}", dependencies=[reader])
def collection(name: str, request: Request) -> Collection:
    service: Service = request.app.state.service
    service.ledger.require_collection(name)
    return _collection(service, name, service.ledger.collections()[name])


@router.delete("/{name}", status_code=204, dependencies=[admin])
def delete(name: str, request: Request) -> None:
    """Drop a collection with everything in it."""
    service: Service = request.app.state.service
    service.delete_collection(name)


def _collection(service: Service, name: str, created: datetime) -> Collection:
    documents, failed, chunks = service.ledger.counts(name)
    foreign = service.foreign_encoder(name)
    index = None if foreign else service.shelf(name).index
    return Collection(
        name=name,
        encoder=foreign[0] if foreign else service.encoder.name,
        usable=foreign is None,
        problem=foreign[1] if foreign else None,
        dims=list(index.contract.dims) if index else [],
        documents=documents,
        failed=failed,
        chunks=chunks,
        languages=dict(index.languages()) if index else {},
        created=created,
    )
