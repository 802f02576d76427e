"""Refuse what is too big before it is read, and label every answer."""

from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import INVALID, respond
from app.schemas import ErrorBody

JSON_BYTES = 16 << 20
"""2048 texts of 8192 tokens do not fit, nor should they come in one request."""
UPLOADS = {
    "/v1/documents": 100,
    "/v1/documents/preflight": 100,
    "/v1/documents/preview": 1,
    "/v1/evaluations/sets": 3,
}
"""Largest files that one upload may hold, by path."""
_FORM_BYTES = 1 << 20
"""That a form needs around its files."""


class _TooLarge(Exception):
    pass


class Gate:
    """ASGI middleware: body limits by path, `x-request-id` and `nosniff` on every answer."""

    def __init__(self, app: ASGIApp, max_file_bytes: int) -> None:
        self._app = app
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        files = UPLOADS.get(scope["path"])
        limit = self._max_file_bytes * files + _FORM_BYTES if files else JSON_BYTES
        read = 0
        refused = False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _TooLarge
            return message

        async def labelled(message: Message) -> None:
            nonlocal refused
            if refused:
                return
            if message["type"] == "http.response.start":
                if read > limit:  # whatever the application made of the broken body
                    refused = True
                    body = ErrorBody(
                        message=f"the request is over {limit / 1e6:.0f} MB", type=INVALID, code="too_large"
                    )
                    await respond(413, body)(scope, receive, _label(send))
                    return
                message = _labels(message)
            await send(message)

        await self._app(scope, counted, labelled)


def _label(send: Send) -> Send:
    async def labelled(message: Message) -> None:
        await send(_labels(message) if message["type"] == "http.response.start" else message)

    return labelled


def _labels(start: Message) -> Message:
    labels = [(b"x-request-id", uuid4().hex.encode()), (b"x-content-type-options", b"nosniff")]
    return {**start, "headers": [*start["headers"], *labels]}
