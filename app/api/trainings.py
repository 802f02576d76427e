"""Trainings: start one, watch, cancel, resume, index with its model, promote."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.adaptation.schemas import NewTraining, Training, TrainingDetail
from app.adaptation.trainings import Trainings
from app.api.auth import admin, reader
from app.schemas import CollectionName
from app.service import Service

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])


@router.get("", dependencies=[reader])
def trainings(request: Request, collection: CollectionName | None = None) -> list[Training]:
    """Newest first, of all collections or of one."""
    return _trainings(request).all(collection)


@router.post("", status_code=202, dependencies=[admin])
def start(
    request: Request,
    settings: Annotated[str, Form(description="JSON: NewTraining")],
    pairs: Annotated[list[UploadFile] | None, File()] = None,
    personas: Annotated[UploadFile | None, File()] = None,
) -> Training:
    """Queue a training. `pairs`: training data as JSON lines or parquet (docs/training.md); `personas`: one a
    line, for the language model."""
    try:
        new = NewTraining.model_validate_json(settings)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    files = [(file.filename or "unnamed", file.file) for file in pairs or ()]
    return _trainings(request).add(new, files, personas.file if personas else None)


@router.get("/bases", dependencies=[reader])
def bases(request: Request) -> list[str]:
    """Models on this machine that can be trained, the service's own first."""
    return _trainings(request).bases()


@router.get("/{training}", dependencies=[reader])
def detail(training: str, request: Request) -> TrainingDetail:
    """A training with its curves, and how the candidate compares with its base."""
    return _trainings(request).detail(training)


@router.delete("/{training}", status_code=204, dependencies=[admin])
def delete(training: str, request: Request) -> None:
    """Delete it with its model and its index, unless searches use them."""
    _trainings(request).remove(training)


@router.post("/{training}/cancel", dependencies=[admin])
def cancel(training: str, request: Request) -> Training:
    """Stop it; `resume` goes on at its last checkpoint."""
    return _trainings(request).cancel(training)


@router.post("/{training}/resume", dependencies=[admin])
def resume(training: str, request: Request) -> Training:
    """Go on with one that was cancelled or stopped."""
    return _trainings(request).resume(training)


@router.post("/{training}/index", status_code=202, dependencies=[admin])
def index(training: str, request: Request) -> Training:
    """Encode the collection once more with the candidate, beside the index in use."""
    return _trainings(request).index(training)


@router.post("/{training}/promote", dependencies=[admin])
def promote(training: str, request: Request) -> Training:
    """Serve the collection from that index; `/v1/collections/NAME/rollback` takes it back."""
    return _trainings(request).promote(training)


def _trainings(request: Request) -> Trainings:
    service: Service = request.app.state.service
    return service.trainings
