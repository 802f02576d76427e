"""Named sources: keep a collection in sync with a place, by the clock or by watching."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from app import schemas
from app.api.auth import admin
from app.api.jobs import job_of
from app.filters import given_of
from app.schemas import NewSource, SourceName
from app.service import Service
from ingest.errors import UnknownJob
from ingest.places import Place, Selection
from ingest.schedule import NamedSource

router = APIRouter(prefix="/v1/sources", tags=["sources"])


@router.get("", dependencies=[admin])
def sources(request: Request) -> list[schemas.NamedSource]:
    """All, by name."""
    service: Service = request.app.state.service
    return [_source(source, service) for source in service.schedule.sources()]


@router.put("/{name}", dependencies=[admin])
def put(name: Annotated[SourceName, Path()], body: NewSource, request: Request) -> schemas.NamedSource:
    """Make or replace a source. With an interval, or watched, its first sync begins at once."""
    service: Service = request.app.state.service
    place = Place(body.place, Selection(tuple(body.include), tuple(body.exclude)))
    source = service.put_source(
        name, body.collection, place, every_s=body.every_s, watch=body.watch, given=given_of(body)
    )
    return _source(source, service)


@router.delete("/{name}", status_code=204, dependencies=[admin])
def delete(name: str, request: Request) -> None:
    """Forget a source. Its documents stay, and a sync under way goes on."""
    service: Service = request.app.state.service
    service.schedule.forget(name)


@router.post("/{name}/run", status_code=202, dependencies=[admin])
def run(name: str, request: Request, force: bool = False) -> schemas.Job:
    """Sync now; `force` lets it remove more than a fifth of the documents."""
    service: Service = request.app.state.service
    return job_of(service.run_source(name, force=force), service)


def _source(source: NamedSource, service: Service) -> schemas.NamedSource:
    try:
        job = job_of(service.jobs.get(source.job), service) if source.job else None
    except UnknownJob:  # the next sync has just taken its place
        job = None
    given = source.given
    return schemas.NamedSource(
        name=source.name,
        collection=source.collection,
        place=source.place.root,
        include=list(source.place.selection.include),
        exclude=list(source.place.selection.exclude),
        every_s=source.every_s,
        watch=source.watch,
        labels=None if given.labels is None else {key: list(values) for key, values in given.labels.items()},
        access=None if given.access is None else list(given.access),
        modified=given.modified,
        due=source.due,
        job=job,
        problem=source.problem or (job.problem if job else None),
    )
