"""Search and answers."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app import search as searching
from app.answer import answer
from app.api.auth import groups_of, reader
from app.api.errors import describe
from app.schemas import AnswerEvent, AnswerRequest, SearchRequest, SearchResponse, SimilarRequest
from app.service import Service

router = APIRouter(prefix="/v1", tags=["questions"], dependencies=[reader])


@router.post("/search")
def search(body: SearchRequest, request: Request) -> SearchResponse:
    """The passages nearest to a query, in any language the encoder knows."""
    service: Service = request.app.state.service
    return searching.search(body, service.view(body.collection, groups_of(request)))


@router.post("/similar")
def similar(body: SimilarRequest, request: Request) -> SearchResponse:
    """More like a passage: the nearest others of its collection."""
    service: Service = request.app.state.service
    groups = groups_of(request)
    collection = service.ledger.document(body.document, groups).collection
    return searching.similar(body, service.view(collection, groups))


@router.post("/answer")
def ask(body: AnswerRequest, request: Request) -> StreamingResponse:
    """Answer from the documents, as server-sent events: each `data:` line is an AnswerEvent."""
    service: Service = request.app.state.service
    shelf = service.view(body.collection, groups_of(request))

    def events() -> Iterator[str]:
        # ASCII: clients end a line at U+2028 and U+0085 too, which JSON leaves as they are
        try:
            for event in answer(body, shelf, service.llm):
                yield f"data: {event.model_dump_json(ensure_ascii=True)}\n\n"
        except Exception as error:  # the status is out already: say it in the stream
            _, told = describe(error)
            yield f"data: {AnswerEvent(kind='error', error=told).model_dump_json(ensure_ascii=True)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
