"""Documents: look at before, upload, list, read, show, fetch the original, run again, delete."""

from pathlib import Path, PurePath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse

from app.api.auth import editor, reader
from app.api.errors import ApiError
from app.api.jobs import job_of
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
    Passage,
    Preflight,
    Preview,
)
from app.service import Service
from ingest.ledger import DocumentRow, Ledger
from ingest.pipeline import RECIPE

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.post("", status_code=202, dependencies=[editor])
def upload(
    request: Request,
    files: Annotated[list[UploadFile], File()],
    collection: CollectionName = "library",
) -> Job:
    """Store files and queue their ingestion; the answer is the job to watch."""
    service: Service = request.app.state.service
    job = service.upload(collection, [(file.filename or "unnamed", file.file) for file in files])
    return job_of(job, service)


@router.post("/preflight", dependencies=[editor])
def preflight(
    request: Request,
    files: Annotated[list[UploadFile], File()],
    collection: CollectionName = "library",
) -> list[Preflight]:
    """What ingesting each file would do; nothing is stored."""
    named = [(file.filename or "unnamed", file.file) for file in files]
    return look_at_files(named, collection, request.app.state.service)


@router.post("/preview", dependencies=[editor])
def preview(
    request: Request, file: Annotated[UploadFile, File()], collection: CollectionName = "library"
) -> Preview:
    """What would become of a file: its elements and its chunks; nothing is stored."""
    return look_into_file(file.filename or "unnamed", file.file, collection, request.app.state.service)


@router.post("/delete", dependencies=[editor])
def delete_many(body: DocumentIds, request: Request) -> Deleted:
    """Take documents out of their collection; one that is gone already is passed over."""
    service: Service = request.app.state.service
    return Deleted(deleted=service.delete_documents(body.collection, body.documents))


@router.post("/rerun", status_code=202, dependencies=[editor])
def rerun(body: DocumentIds, request: Request) -> Job:
    """Ingest documents once more from where they came; the answer is the job to watch."""
    service: Service = request.app.state.service
    return job_of(service.rerun(body.collection, body.documents), service)


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
    ledger.require_collection(collection)
    rows, total = ledger.documents(
        collection,
        text=text,
        state=state,
        language=language,
        recipe=RECIPE,
        sort=sort,
        descending=descending,
        limit=limit,
        offset=offset,
    )
    return Documents(documents=_documents(rows, ledger), total=total, languages=ledger.languages(collection))


@router.get("/{document}", dependencies=[reader])
def read(document: str, request: Request) -> DocumentText:
    """A document with all its passages in reading order."""
    service: Service = request.app.state.service
    row = service.ledger.document(document)
    return DocumentText(
        document=_documents([row], service.ledger)[0],
        passages=[
            Passage(
                position=chunk.position,
                text=chunk.text,
                heading=list(chunk.heading),
                page=chunk.page,
                language=chunk.language,
                unseen=chunk.unseen,
            )
            for chunk in service.chunks(document)
        ],
        has_pictures=_is_pdf(row.path),
    )


@router.get("/{document}/pages/{number}", dependencies=[reader], response_class=Response)
def page(document: str, number: int, request: Request) -> Response:
    """A page (1-based) of a pdf as PNG; `x-pages` says how many there are."""
    service: Service = request.app.state.service
    picture = service.picture(document, number)
    return Response(
        picture.png,
        media_type="image/png",
        headers={"x-pages": str(picture.pages), "Cache-Control": "private, max-age=300"},
    )


@router.get("/{document}/original", dependencies=[reader])
def original(document: str, request: Request) -> FileResponse:
    """The file itself, always as a download: it must not run in the reader's browser."""
    row = request.app.state.service.ledger.document(document)
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
    service.delete_document(document)


def _is_pdf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"%PDF-" in file.read(1024)


def _documents(rows: list[DocumentRow], ledger: Ledger) -> list[Document]:
    cited = ledger.documents_of(row.version for row in rows if row.version)
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
            same_as=[other.name for other in cited.get(row.version or "", []) if other.id != row.id],
        )
        for row in rows
    ]
