"""Documents: upload, list, read, fetch the original, delete."""

from pathlib import PurePath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import FileResponse

from app.api.auth import editor, reader
from app.api.errors import ApiError
from app.api.jobs import job_of
from app.schemas import (
    CollectionName,
    Document,
    Documents,
    DocumentState,
    DocumentText,
    Job,
    Passage,
)
from app.service import Service
from ingest.ledger import DocumentRow, Ledger

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


@router.get("", dependencies=[reader])
def documents(
    request: Request,
    collection: CollectionName = "library",
    text: str = "",
    state: DocumentState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Documents:
    """Documents whose name or title contains `text`, by name."""
    ledger = request.app.state.service.ledger
    ledger.require_collection(collection)
    rows, total = ledger.documents(collection, text=text, state=state, limit=limit, offset=offset)
    return Documents(documents=_documents(rows, ledger), total=total)


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
            )
            for chunk in service.chunks(document)
        ],
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
            same_as=[other.name for other in cited.get(row.version or "", []) if other.id != row.id],
        )
        for row in rows
    ]
