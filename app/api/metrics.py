"""`/metrics`, in Prometheus' words: what is asked, what waits, what the encoder does. Never any text."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.auth import reader
from app.service import Service
from embedder.queue import Batch

router = APIRouter(tags=["health"])

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOKENS = (16, 64, 256, 512, 1024, 2048, 4096, 16384)
_UNKNOWN = "unknown"
"""Route of a path that is none: paths themselves may hold what people typed."""


class Metrics:
    """The figures of one service."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("kalm_requests", "Answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "kalm_request_seconds",
            "Until the answer was complete.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.texts = Counter("kalm_encoder_texts", "Encoded.", ("kind",), registry=self.registry)
        self.tokens = Counter("kalm_encoder_tokens", "Encoded.", ("kind",), registry=self.registry)
        self.batch_tokens = Histogram(
            "kalm_encoder_batch_tokens", "Of a batch.", buckets=_TOKENS, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "kalm_encoder_batch_seconds", "Running a batch.", buckets=_SECONDS, registry=self.registry
        )
        self.wait_seconds = Histogram(
            "kalm_encoder_wait_seconds",
            "The longest that a request of a batch had waited.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        encoder = service.encoder
        for name, value in (
            ("waiting_tokens", lambda: encoder.waiting_tokens),
            ("waiting_requests", lambda: encoder.waiting_requests),
            ("capacity_tokens", lambda: encoder.capacity_tokens),
        ):
            gauge = Gauge(f"kalm_encoder_{name}", "Of the encoder's queue.", registry=self.registry)
            gauge.set_function(value)
        Info("kalm_encoder", "What is running.", registry=self.registry).info(
            {"name": encoder.name, "device": encoder.device, "fingerprint": encoder.fingerprint}
        )
        service.encoder.watch = self._batch

    def _batch(self, batch: Batch) -> None:
        self.texts.labels(batch.kind).inc(batch.texts)
        self.tokens.labels(batch.kind).inc(batch.tokens)
        self.batch_tokens.observe(batch.tokens)
        self.batch_seconds.observe(batch.took_s)
        self.wait_seconds.observe(batch.waited_s)


class Meter:
    """ASGI middleware: counts what was answered, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            found: Any = scope.get("route")
            route = found.path if found is not None else _UNKNOWN
            self._metrics.requests.labels(scope["method"], route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begin)


@router.get("/metrics", dependencies=[reader], include_in_schema=False)
def metrics(request: Request) -> Response:
    """The figures; where keys are configured a reader's is needed."""
    kept: Metrics = request.app.state.metrics
    return Response(generate_latest(kept.registry), media_type=CONTENT_TYPE_LATEST)
