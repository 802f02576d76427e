"""Evaluations: query sets, runs, comparisons; and the thumbs that become query sets."""

import io
from typing import Annotated

from fastapi import APIRouter, Depends, File, Request, UploadFile

from app.api.auth import editor, groups_of, reader
from app.api.errors import ApiError
from app.evaluation.runs import Evaluations
from app.evaluation.schemas import (
    Comparison,
    Feedback,
    Measure,
    NewQuerySet,
    NewRuns,
    QuerySet,
    Run,
    RunDetail,
    SetName,
)
from app.evaluation.sets import corpus_of
from app.schemas import CollectionName
from app.service import Service

router = APIRouter(prefix="/v1", tags=["evaluations"])


def _sees_everything(request: Request) -> None:
    """Queries and runs show passages of any document: once some are for groups only, they are an admin's."""
    service: Service = request.app.state.service
    if groups_of(request) is not None and service.ledger.is_restricted():
        message = "some documents are for groups only, and evaluations show all: this needs an admin's key"
        raise ApiError(403, message, code="forbidden", type="permission_error")


everything = Depends(_sees_everything)


@router.get("/evaluations/sets", dependencies=[reader, everything])
def query_sets(request: Request) -> list[QuerySet]:
    return _evaluations(request).sets()


@router.post("/evaluations/sets", status_code=201, dependencies=[editor, everything])
def import_set(
    request: Request,
    name: SetName,
    files: Annotated[list[UploadFile], File()],
    corpus_into: CollectionName | None = None,
) -> QuerySet:
    """Import a `.csv` or `.jsonl` (query, document, and optionally grade, language, passage), or BEIR's
    queries.jsonl, qrels.tsv and corpus.jsonl; with `corpus_into` the corpus is queued for that collection,
    a document for each row."""
    service: Service = request.app.state.service
    contents = {file.filename or "unnamed": file.file.read() for file in files}
    corpus = corpus_of(contents) if corpus_into else []
    imported = service.evaluations.import_set(name, contents)
    if corpus_into:
        service.upload(corpus_into, [(row.name, io.BytesIO(row.content)) for row in corpus], None)
    return imported


@router.post("/evaluations/sets/make", status_code=201, dependencies=[editor, everything])
def make_set(body: NewQuerySet, request: Request) -> QuerySet:
    """Make a query set from thumbs up, or from the collection's own words (synthetic)."""
    return _evaluations(request).make_set(body)


@router.delete("/evaluations/sets/{name}", status_code=204, dependencies=[editor, everything])
def delete_set(name: str, request: Request) -> None:
    """Delete a query set; its runs stay."""
    _evaluations(request).remove_set(name)


@router.post("/evaluations/runs", status_code=202, dependencies=[editor, everything])
def start(body: NewRuns, request: Request) -> list[Run]:
    """Queue a run for each ranking and width; they are done one after another."""
    return _evaluations(request).add_runs(body)


@router.get("/evaluations/runs", dependencies=[reader, everything])
def runs(
    request: Request, query_set: str | None = None, collection: CollectionName | None = None
) -> list[Run]:
    """Newest first."""
    return _evaluations(request).runs(query_set, collection)


@router.get("/evaluations/runs/{run}", dependencies=[reader, everything])
def read(run: str, request: Request) -> RunDetail:
    """A run with the figures of every query."""
    return _evaluations(request).run(run)


@router.delete("/evaluations/runs/{run}", status_code=204, dependencies=[editor, everything])
def delete_run(run: str, request: Request) -> None:
    """Forget a run; one at work stops."""
    _evaluations(request).remove_run(run)


@router.get("/evaluations/compare", dependencies=[reader, everything])
def compare(request: Request, before: str, after: str, measure: Measure = "ndcg_at_10") -> Comparison:
    """Two finished runs query by query: won, lost, tied, and those that changed most."""
    return _evaluations(request).compare(before, after, measure)


@router.post("/feedback", status_code=204, dependencies=[reader])
def feedback(body: Feedback, request: Request) -> None:
    """A thumb for a hit; the last one on the same query and passage counts."""
    _evaluations(request).add_feedback(body, groups_of(request))


def _evaluations(request: Request) -> Evaluations:
    service: Service = request.app.state.service
    return service.evaluations
