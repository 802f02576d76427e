"""Whatever goes wrong -> one shape, OpenAI's: `{"error": {"message", "type", "param", "code"}}`."""

import logging
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.adaptation.store import UnknownTraining
from app.evaluation.sets import InvalidSet
from app.evaluation.store import UnknownRun, UnknownSet
from app.filters import UnknownField
from app.schemas import ErrorBody, ErrorResponse
from app.service import NotAllowed, NotYours
from embedder.errors import Draining, ModelNotFound, Overloaded, TextTooLong, UnknownDim, UnknownModel
from ingest.errors import (
    DiskFull,
    FileTooLarge,
    IndexUnavailable,
    IngestError,
    NotAllowedHere,
    NotPossible,
    SourceBusy,
    StoreError,
    UnknownCollection,
    UnknownDocument,
    UnknownJob,
    UnknownPage,
    UnknownSource,
    WrongEncoder,
)
from training.errors import BadData

log = logging.getLogger(__name__)

INVALID = "invalid_request_error"
RETRY_AFTER_S = 5


class ApiError(Exception):
    """An error with its status, for what only the API knows."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = INVALID,  # noqa: A002 OpenAI's field
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(message=message, type=type, param=param, code=code)


class _Answer(NamedTuple):
    status: int
    type: str
    code: str
    param: str | None = None


# the most special class comes first
_ANSWERS: dict[type[Exception], _Answer] = {
    UnknownCollection: _Answer(404, INVALID, "collection_not_found", "collection"),
    UnknownDocument: _Answer(404, INVALID, "document_not_found"),
    UnknownPage: _Answer(404, INVALID, "page_not_found", "number"),
    UnknownJob: _Answer(404, INVALID, "job_not_found"),
    UnknownSet: _Answer(404, INVALID, "query_set_not_found", "query_set"),
    UnknownRun: _Answer(404, INVALID, "run_not_found"),
    UnknownTraining: _Answer(404, INVALID, "training_not_found"),
    BadData: _Answer(400, INVALID, "invalid_training_data", "pairs"),
    UnknownModel: _Answer(400, INVALID, "unknown_model", "base"),
    ModelNotFound: _Answer(400, INVALID, "model_not_found", "base"),
    InvalidSet: _Answer(400, INVALID, "invalid_query_set", "files"),
    UnknownSource: _Answer(404, INVALID, "source_not_found"),
    SourceBusy: _Answer(409, INVALID, "source_busy"),
    NotAllowedHere: _Answer(403, "permission_error", "not_allowed", "place"),
    NotPossible: _Answer(400, INVALID, "not_possible"),
    UnknownDim: _Answer(400, INVALID, "unknown_dim", "dim"),
    TextTooLong: _Answer(400, INVALID, "text_too_long"),
    Overloaded: _Answer(429, "rate_limit_error", "rate_limit_exceeded"),
    Draining: _Answer(503, "server_error", "draining"),
    UnknownField: _Answer(400, INVALID, "unknown_field", "fields"),
    NotYours: _Answer(403, "permission_error", "not_yours"),
    NotAllowed: _Answer(403, "permission_error", "folder_not_allowed", "place"),
    FileTooLarge: _Answer(413, INVALID, "too_large"),
    IngestError: _Answer(400, INVALID, "not_ingestible"),
    WrongEncoder: _Answer(400, INVALID, "wrong_encoder", "collection"),
    DiskFull: _Answer(507, "server_error", "disk_full"),
    IndexUnavailable: _Answer(503, "server_error", "index_unavailable"),
    StoreError: _Answer(500, "server_error", "index_error"),
}


def install(app: FastAPI) -> None:
    """Give `app` the handlers that turn exceptions into answers."""
    for kind in (*_ANSWERS, Exception):
        app.add_exception_handler(kind, _described)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)


def respond(status: int, body: ErrorBody, retry_after_s: int = RETRY_AFTER_S) -> JSONResponse:
    headers = {"Retry-After": str(retry_after_s)} if status in {429, 503} else None
    return JSONResponse(ErrorResponse(error=body).model_dump(), status, headers)


def describe(error: Exception) -> tuple[int, ErrorBody]:
    """Status and body for an error; what nobody foresaw is logged and stays without details."""
    known = next((answer for kind, answer in _ANSWERS.items() if isinstance(error, kind)), None)
    if known is None:
        log.error("unexpected", exc_info=error)
        message = "internal error; the service's log has the details"
        return 500, ErrorBody(message=message, type="server_error", code="internal")
    if known.status >= 500:
        log.error("%s", error)
    message = str(error.args[0]) if error.args else known.code
    return known.status, ErrorBody(message=message, type=known.type, param=known.param, code=known.code)


def _described(_: Request, error: Exception) -> JSONResponse:
    after = error.retry_after_s if isinstance(error, Overloaded) else RETRY_AFTER_S
    return respond(*describe(error), after)


def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return respond(error.status, error.body)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return respond(error.status_code, ErrorBody(message=str(error.detail), type=INVALID))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say which field is wrong and why, without echoing what was sent: it may not even be encodable."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"})
    message = f"{param}: {first['msg']}" if param else first["msg"]
    return respond(400, ErrorBody(message=message, type=INVALID, param=param or None, code="invalid"))
