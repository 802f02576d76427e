"""Files looked at before they are ingested: what would happen to each, and what would become of one."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.schemas import Preflight, Preview, PreviewChunk, PreviewElement
from app.service import Service
from ingest.errors import IngestError
from ingest.index.contract import Contract
from ingest.pipeline import contract_of
from ingest.preview import Forecast, forecast, preview
from ingest.records import Document, Groups
from ingest.sources import Originals, read_document

ELEMENT_CHARS = 2000
"""Of an element's text that are answered."""
MOST_PARTS = 500
"""Elements, and chunks, that are answered; all are counted."""


def look_at_files(
    files: Sequence[tuple[str, BinaryIO]], collection: str, service: Service, groups: Groups
) -> list[Preflight]:
    """What ingesting each of `files` (name, content) would do, in their order. Nothing is kept.

    The format is told by a file's first bytes: that it is damaged or has no text shows in its preview.
    """
    found: list[Document | IngestError] = []
    formats: dict[str, str] = {}
    with _kept() as originals:
        for name, content in files:
            try:
                document = _document(name, content, collection, originals, service)
                service.check_replaceable(collection, document.source, groups)
                formats[document.content_hash] = service.reader.format_of(
                    document.source.path, document.source.name
                )
                found.append(document)
            except IngestError as error:
                found.append(error)
    good = [one for one in found if isinstance(one, Document)]
    forecasts = forecast(good, service.ledger, _contract(collection, service).recipe, groups)
    return [
        _preflight(one, formats[one.content_hash], next(forecasts))
        if isinstance(one, Document)
        else Preflight(
            name=name,
            size_bytes=_size_bytes(content),
            format=None,
            outcome="failed",
            error_code=one.code,
            error=str(one),
        )
        for one, (name, content) in zip(found, files, strict=True)
    ]


def look_into_file(
    name: str, content: BinaryIO, collection: str, service: Service, groups: Groups
) -> Preview:
    """What would become of one file: its elements and chunks. Nothing is kept. Raises IngestError."""
    begin = time.perf_counter()
    contract = _contract(collection, service)
    with _kept() as originals:
        document = _document(name, content, collection, originals, service)
        service.check_replaceable(collection, document.source, groups)
        kind = service.reader.format_of(document.source.path, document.source.name)
        elements = service.reader.parse(document.source.path, document.source.name)
    (what,) = forecast([document], service.ledger, contract.recipe, groups)
    seen = preview(elements, document.source.name, service.encoder, contract)
    return Preview(
        file=_preflight(document, kind, what),
        title=seen.title,
        language=seen.language,
        element_count=len(seen.elements),
        elements=[
            PreviewElement(
                kind=element.kind,
                depth=element.depth,
                page=element.page,
                text=element.text[:ELEMENT_CHARS],
                capped=len(element.text) > ELEMENT_CHARS,
                unseen=element.unseen,
            )
            for element in seen.elements[:MOST_PARTS]
        ],
        chunk_count=len(seen.chunks),
        chunks=[
            PreviewChunk(
                position=chunk.position,
                text=chunk.text,
                heading=list(chunk.heading),
                page=chunk.page,
                language=chunk.language,
                unseen=chunk.unseen,
                tokens=tokens,
            )
            for chunk, tokens in zip(seen.chunks[:MOST_PARTS], seen.tokens, strict=False)
        ],
        token_count=sum(seen.tokens),
        chunk_tokens=contract.chunking.chunk_tokens,
        seconds=time.perf_counter() - begin,
    )


@contextmanager
def _kept() -> Iterator[Originals]:
    """A place for uploads that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kalm-preview-") as folder:
        yield Originals(Path(folder))


def _document(
    name: str, content: BinaryIO, collection: str, originals: Originals, service: Service
) -> Document:
    source = originals.keep(name, content, max_bytes=service.limits.max_bytes)
    return read_document(source, collection, max_bytes=service.limits.max_bytes)


def _contract(collection: str, service: Service) -> Contract:
    """The collection's, or what it would promise once it is made."""
    if collection in service.ledger.collections():
        return service.shelf(collection).index.contract
    return contract_of(service.encoder)


def _preflight(document: Document, kind: str, what: Forecast) -> Preflight:
    return Preflight(
        name=document.source.name,
        size_bytes=document.size_bytes,
        format=kind,
        outcome=what.outcome,
        same_as=list(what.same_as),
    )


def _size_bytes(content: BinaryIO) -> int:
    return content.seek(0, 2)
