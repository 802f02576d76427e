"""Documents: look at before, upload, list, read, show, fetch the original, run again, delete."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import ValidationError

from app.api.auth import editor, groups_of, reader
from app.api.errors import ApiError
from app.api.jobs import job_of
from app.filters import given_of
from app.preview import look_at_files, look_into_file
from app.schemas import (
    CollectionName,
    Deleted,
    Document,
    DocumentFilter,
    DocumentIds,
    Documents,
    DocumentSort,
    DocumentText,
    Job,
    Labelled,
    NewLabels,
    Passage,
    Preflight,
    Preview,
    Relabelled,
)
from app.service import Service
from ingest.ledger import DocumentRow, Ledger
from ingest.pipeline import RECIPE
from ingest.records import Groups

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.post("", status_code=202, dependencies=[editor])
def upload(
    request: Request,
    files: Annotated[list[UploadFile], File()],
    collection: CollectionName = "library",
    label: Annotated[list[str], Query()] = [],  # noqa: B006 fastapi's own
    access: Annotated[list[str] | None, Query()] = None,
    modified: str | None = None,
) -> Job:
    """Store files and queue their ingestion; the answer is the job to watch.

    `label=KEY=VALUE` and `access=GROUP` may be given several times; `modified` is the files' own date.
    """
    service: Service = request.app.state.service
    named = [(file.filename or "unnamed", file.file) for file in files]
    given = given_of(labelled(label, access, modified))
    return job_of(service.upload(collection, named, groups_of(request), given), service)


@router.post("/preflight", dependencies=[editor])
def preflight(
    request: Request,
    files: Annotated[list[UploadFile], File()],
    collection: CollectionName = "library",
) -> list[Preflight]:
    """What ingesting each file would do; nothing is stored."""
    named = [(file.filename or "unnamed", file.file) for file in files]
    return look_at_files(named, collection, request.app.state.service, groups_of(request))


@router.post("/preview", dependencies=[editor])
def preview(
    request: Request, file: Annotated[UploadFile, File()], collection: CollectionName = "library"
) -> Preview:
    """What would become of a file: its elements and its chunks; nothing is stored."""
    service: Service = request.app.state.service
    return look_into_file(file.filename or "unnamed", file.file, collection, service, groups_of(request))


@router.post("/delete", dependencies=[editor])
def delete_many(body: DocumentIds, request: Request) -> Deleted:
    """Take documents out of their collection; one that is gone already is passed over."""
    service: Service = request.app.state.service
    return Deleted(deleted=service.delete_documents(body.collection, body.documents, groups_of(request)))


@router.post("/rerun", status_code=202, dependencies=[editor])
def rerun(body: DocumentIds, request: Request) -> Job:
    """Ingest documents once more from where they came; the answer is the job to watch."""
    service: Service = request.app.state.service
    return job_of(service.rerun(body.collection, body.documents, groups_of(request)), service)


@router.post("/labels", dependencies=[editor])
def label(body: NewLabels, request: Request) -> Relabelled:
    """Change labels, access or date of documents, at once; nothing is read or encoded again."""
    service: Service = request.app.state.service
    named = service.label(body.collection, body.documents, given_of(body), groups_of(request))
    return Relabelled(documents=named)


@router.get("", dependencies=[reader])
def documents(
    request: Request,
    collection: CollectionName = "library",
    text: str = "",
    state: DocumentFilter | None = None,
    language: str | None = None,
    sort: DocumentSort = "name",
    descending: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Documents:
    """Documents whose name or title contains `text`; "stale" are those that an older recipe made."""
    ledger: Ledger = request.app.state.service.ledger
    groups = groups_of(request)
    ledger.require_collection(collection)
    rows, total = ledger.documents(
        collection,
        text=text,
        state=state,
        language=language,
        recipe=RECIPE,
        groups=groups,
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
    )
    return Documents(
        documents=_documents(rows, ledger, groups),
        total=total,
        languages=ledger.languages(collection, groups),
    )


@router.get("/{document}", dependencies=[reader])
def read(document: str, request: Request) -> DocumentText:
    """A document with all its passages in reading order."""
    service: Service = request.app.state.service
    groups = groups_of(request)
    row = service.ledger.document(document, groups)
    return DocumentText(
        document=_documents([row], service.ledger, groups)[0],
        passages=[
            Passage(
                position=chunk.position,
                text=chunk.text,
                heading=list(chunk.heading),
                page=chunk.page,
                language=chunk.language,
                unseen=chunk.unseen,
            )
            for chunk in service.chunks(document, groups)
        ],
        has_pictures=_is_pdf(row.path),
    )


@router.get("/{document}/pages/{number}", dependencies=[reader], response_class=Response)
def page(document: str, number: int, request: Request, passage: int | None = None) -> Response:
    """A page (1-based) of a pdf as PNG, what it has of a passage (by position) highlighted.

    `x-pages` says how many there are.
    """
    service: Service = request.app.state.service
    picture = service.picture(document, number, groups_of(request), passage)
    return Response(
        picture.png,
        media_type="image/png",
        headers={"x-pages": str(picture.pages), "Cache-Control": "private, max-age=300"},
    )


@router.get("/{document}/original", dependencies=[reader])
def original(document: str, request: Request) -> FileResponse:
    """The file itself, always as a download: it must not run in the reader's browser."""
    row = request.app.state.service.ledger.document(document, groups_of(request))
    if not row.path.is_file():
        raise ApiError(404, f"{row.name}: the file is no longer at its source", code="original_gone")
    name = quote(PurePath(row.name).name)
    return FileResponse(
        row.path,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


@router.delete("/{document}", status_code=204, dependencies=[editor])
def delete(document: str, request: Request) -> None:
    """Take a document out of its collection; a file of a server folder stays where it is."""
    service: Service = request.app.state.service
    service.delete_document(document, groups_of(request))


def _is_pdf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"%PDF-" in file.read(1024)


def labelled(pairs: Sequence[str], access: Sequence[str] | None, modified: str | None) -> Labelled:
    """Labels as they stand in a query string: `key=value`. Raises ApiError."""
    labels: dict[str, list[str]] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ApiError(400, f"label: {pair!r} is not KEY=VALUE", param="label", code="invalid")
        labels.setdefault(key, []).append(value)
    said = {"labels": labels or None, "access": access, "modified": modified}
    try:
        return Labelled.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ApiError(400, message, param=str(first["loc"][0]), code="invalid") from error


def _documents(rows: list[DocumentRow], ledger: Ledger, groups: Groups) -> list[Document]:
    cited = ledger.documents_of((row.version for row in rows if row.version), groups)
    return [
        Document(
            id=row.id,
            collection=row.collection,
            name=row.name,
            uri=row.uri,
            state="ready" if row.version else "failed",
            title=row.title,
            language=row.language,
            chunks=row.chunks,
            size_bytes=row.size_bytes,
            updated=row.updated,
            error_code=row.error_code,
            error=row.error,
            version=row.version,
            recipe=row.recipe,
            stale=row.recipe is not None and row.recipe != RECIPE,
            modified=row.said.modified,
            labels={key: list(values) for key, values in row.said.labels.items()},
            access=list(row.said.access),
            same_as=[other.name for other in cited.get(row.version or "", []) if other.id != row.id],
        )
        for row in rows
    ]
