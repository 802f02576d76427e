"""Search and answers."""

from collections.abc import Generator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app import search as searching
from app.answer import answer
from app.api.auth import groups_of, reader
from app.api.errors import describe
from app.schemas import AnswerEvent, AnswerRequest, SearchRequest, SearchResponse, SimilarRequest
from app.service import Service

router = APIRouter(prefix="/v1", tags=["questions"], dependencies=[reader])


class _Events(StreamingResponse):
    """Closes its events when the reader leaves: else the language model writes on until they're collected."""

    def __init__(self, events: Generator[str, None, None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.close()  # no thread is in it: they are waited for


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

    def events() -> Generator[str, None, None]:
        # ASCII: clients end a line at U+2028 and U+0085 too, which JSON leaves as they are
        try:
            for event in answer(body, shelf, service.llm):
                yield f"data: {event.model_dump_json(ensure_ascii=True)}\n\n"
        except Exception as error:  # the status is out already: say it in the stream
            _, told = describe(error)
            yield f"data: {AnswerEvent(kind='error', error=told).model_dump_json(ensure_ascii=True)}\n\n"

    return _Events(events())
