"""Jobs: start one on a server folder, watch, pause, resume, cancel, retry."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app import schemas
from app.api.auth import admin, editor, groups_of, reader
from app.filters import given_of
from app.schemas import (
    CollectionName,
    JobDetail,
    JobItem,
    NewJob,
    Outcome,
    Plan,
    PlannedFile,
    Progress,
    StageWork,
)
from app.service import Service
from ingest import jobs as ingest_jobs
from ingest.places import Place, Selection

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MOST_ITEMS = 100_000
MOST_FILES = 1000
"""Of a plan that are named; all are counted."""
"""Of a job in one answer."""


@router.post("", status_code=202, dependencies=[admin])
def start(body: NewJob, request: Request) -> schemas.Job:
    """Ingest what is at a place: a folder or file the service can see, a URL, a store."""
    service: Service = request.app.state.service
    job = service.ingest_place(
        body.collection, _place(body), sync=body.sync, force=body.force, given=given_of(body)
    )
    return job_of(job, service)


@router.post("/plan", dependencies=[admin])
def plan(body: NewJob, request: Request) -> Plan:
    """What a job would do: compared with what the collection holds, nothing written."""
    service: Service = request.app.state.service
    found = service.plan(body.collection, _place(body))
    news = [entry for entry in found.entries if entry.state != "unchanged"]
    return Plan(
        counts={str(state): count for state, count in found.counts.items()},
        files=[
            PlannedFile(name=entry.name, uri=entry.uri, state=entry.state, reason=entry.reason)
            for entry in news[:MOST_FILES]
        ],
        refusal=found.refusal,
    )


def _place(body: NewJob) -> Place:
    return Place(body.place, Selection(tuple(body.include), tuple(body.exclude)))


@router.get("", dependencies=[reader])
def latest(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
    collection: CollectionName | None = None,
) -> list[schemas.Job]:
    """Newest first, of all collections or of one."""
    service: Service = request.app.state.service
    jobs = service.jobs.latest(limit, offset=offset, collection=collection, groups=groups_of(request))
    return [job_of(job, service) for job in jobs]


@router.get("/{job}", dependencies=[reader])
def detail(
    job: str,
    request: Request,
    outcome: Outcome | None = None,
    limit: Annotated[int, Query(ge=1)] = MOST_ITEMS,
) -> JobDetail:
    """A job with what became of its documents: of all, or of those with one outcome."""
    service: Service = request.app.state.service
    groups = groups_of(request)
    found = service.jobs.get(job, groups)
    notes = groups is None or not service.ledger.is_restricted(found.collection)
    return JobDetail(
        job=job_of(found, service),
        stages={
            stage: StageWork(seconds=done.seconds, work=done.work)
            for stage, done in service.jobs.stages(job).items()
        },
        items=[
            JobItem(
                name=item.source.name,
                uri=item.source.uri,
                outcome=item.outcome,
                stage=item.stage,
                chunks=item.chunks,
                seconds=item.seconds,
                error_code=item.error_code,
                error=item.error,
                note=item.note if notes else None,  # it may name another document
            )
            for item in service.jobs.items(job, outcome=outcome, limit=limit)
        ],
    )


@router.post("/{job}/pause", dependencies=[editor])
def pause(job: str, request: Request) -> schemas.Job:
    """Let the documents at hand finish, keep the rest."""
    service = _of_job(job, request)
    return job_of(service.jobs.pause(job), service)


@router.post("/{job}/resume", dependencies=[editor])
def resume(job: str, request: Request) -> schemas.Job:
    """Go on with a paused job, or with a waiting one at once."""
    service = _of_job(job, request)
    return job_of(service.resume(job), service)


@router.post("/{job}/cancel", dependencies=[editor])
def cancel(job: str, request: Request) -> schemas.Job:
    """Let the documents at hand finish, drop the rest."""
    service = _of_job(job, request)
    return job_of(service.jobs.cancel(job), service)


@router.post("/{job}/retry", dependencies=[editor])
def retry(job: str, request: Request) -> schemas.Job:
    """Queue what failed or was cancelled once more."""
    service = _of_job(job, request)
    return job_of(service.retry(job), service)


def _of_job(job: str, request: Request) -> Service:
    """Raises UnknownJob for one that the caller doesn't see."""
    service: Service = request.app.state.service
    service.jobs.get(job, groups_of(request))
    return service


def job_of(job: ingest_jobs.Job, service: Service) -> schemas.Job:
    now = service.jobs.progress(job)
    return schemas.Job(
        id=job.id,
        collection=job.collection,
        source=job.source,
        state=job.state,
        problem=job.problem,
        retry_at=job.retry_at,
        progress=Progress(documents_per_h=now.documents_per_h, tokens_per_s=now.tokens_per_s, eta_s=now.eta_s)
        if now
        else None,
        total=sum(job.outcomes.values()),
        outcomes={str(outcome): count for outcome, count in job.outcomes.items()},
        created=job.created,
        finished=job.finished,
    )
