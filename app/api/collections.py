"""Collections: list, make, drop."""

from dataclasses import asdict, replace
from datetime import datetime

from fastapi import APIRouter, Request

from app.api.auth import admin, editor, groups_of, reader
from app.schemas import (
    Check,
    Chunking,
    Collection,
    Dims,
    Funnel,
    MissingPoints,
    NewCollection,
    Tuning,
    UnknownPoints,
)
from app.service import Service
from ingest import tuning as tuning_of
from ingest.check import Report
from ingest.index import contract as contract_of
from ingest.pipeline import default_chunking

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.get("", dependencies=[reader])
def collections(request: Request) -> list[Collection]:
    service: Service = request.app.state.service
    return [_collection(service, name, created) for name, created in service.ledger.collections().items()]


@router.post("", status_code=201, dependencies=[editor])
def create(body: NewCollection, request: Request) -> Collection:
    """Make a collection for the encoder in use; one that is there is returned as it is."""
    service: Service = request.app.state.service
    chosen = body.chunking.model_dump(exclude_none=True)
    service.create_collection(body.name, replace(default_chunking(service.encoder), **chosen), body.dims)
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


@router.get("/{name}/labels", dependencies=[reader])
def labels(name: str, request: Request) -> dict[str, dict[str, int]]:
    """The labels of the documents that the caller sees, each with its values and their documents."""
    service: Service = request.app.state.service
    service.ledger.require_collection(name)
    return service.ledger.labels(name, groups_of(request))


@router.put("/{name}/dims", dependencies=[admin])
def set_dims(name: str, body: Dims, request: Request) -> Collection:
    """Store these prefixes beside the full vector, and no others; cut from it, nothing is encoded."""
    service: Service = request.app.state.service
    service.set_dims(name, body.dims)
    return collection(name, request)


@router.post("/{name}/rollback", dependencies=[admin])
def roll_back(name: str, request: Request) -> Collection:
    """Serve from the index and by the encoder before the last promotion, brought up to date."""
    service: Service = request.app.state.service
    service.ledger.require_collection(name)
    service.trainings.roll_back(name)
    return collection(name, request)


@router.get("/{name}/tuning", dependencies=[reader])
def tuning(name: str, request: Request) -> Tuning | None:
    """What each width and funnel gave when it was last measured; null if it never was."""
    service: Service = request.app.state.service
    found = service.tuning(name)
    return _tuning(found) if found else None


@router.post("/{name}/tuning", dependencies=[admin])
def tune(name: str, request: Request) -> Tuning:
    """Measure every width, quantisation and funnel on the collection's own sentences, and apply the best."""
    service: Service = request.app.state.service
    return _tuning(service.tune(name))


@router.put("/{name}/funnel", status_code=202, dependencies=[admin])
def apply(name: str, body: Funnel, request: Request) -> Tuning:
    """Search through a measured funnel from now on; its codes are made in the background."""
    service: Service = request.app.state.service
    return _tuning(service.apply(name, contract_of.Funnel(**body.model_dump())))


@router.post("/{name}/funnel/undo", status_code=202, dependencies=[admin])
def undo(name: str, request: Request) -> Tuning:
    """Search as before the last change."""
    service: Service = request.app.state.service
    return _tuning(service.undo(name))


def _tuning(found: tuning_of.Tuning) -> Tuning:
    return Tuning.model_validate(asdict(found))


@router.post("/{name}/check", dependencies=[admin])
def check(name: str, request: Request, repair: bool = False) -> Check:
    """Compare the ledger with the index; `repair` makes them agree, and the answer says what was wrong."""
    service: Service = request.app.state.service
    return _check(service.check(name, mend=repair), repaired=repair)


def _check(report: Report, *, repaired: bool) -> Check:
    return Check(
        consistent=report.consistent,
        repaired=repaired,
        versions=report.versions,
        expected_points=report.expected_points,
        points=report.points,
        missing=[
            MissingPoints(
                version=one.version,
                expected=one.expected,
                found=one.found,
                documents=[row.id for row in one.documents],
                names=[row.name for row in one.documents],
            )
            for one in report.missing
        ],
        unknown=[UnknownPoints(version=version, points=points) for version, points in report.unknown.items()],
        hidden=len(report.hidden),
        uncited=len(report.uncited),
    )


def _collection(service: Service, name: str, created: datetime) -> Collection:
    documents, failed, chunks = service.ledger.counts(name)
    contract, problem = service.contract(name)
    return Collection(
        name=name,
        encoder=contract.encoder,
        fingerprint=contract.fingerprint,
        usable=problem is None,
        problem=problem,
        dims=list(contract.dims),
        chunking=Chunking(**asdict(contract.chunking)),
        recipe=contract.recipe,
        documents=documents,
        failed=failed,
        stale=service.ledger.stale(name, contract.recipe),
        chunks=chunks,
        languages=dict(service.shelf(name).index.languages()) if problem is None else {},
        created=created,
    )
