"""The HTTP service: one router per noun over one `Service`."""

import logging

import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from app.api import (
    collections,
    documents,
    embeddings,
    errors,
    evaluations,
    health,
    jobs,
    metrics,
    questions,
    sources,
    trainings,
)
from app.api.limits import Gate
from app.keys import Keys
from app.service import Service
from app.settings import Settings, reveal

LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
DRAIN_S = 10
"""How long requests in flight may take once the service was told to stop."""


def create_app(service: Service, keys: Keys, *, loopback: bool) -> FastAPI:
    """The ASGI application. On loopback other Host names are refused, against DNS rebinding."""
    app = FastAPI(title="kalm-rag", docs_url=None, redoc_url=None)  # their pages load scripts from afar
    app.state.service = service
    app.state.keys = keys
    app.state.metrics = metrics.Metrics(service)
    errors.install(app)
    for noun in (
        health,
        metrics,
        embeddings,
        questions,
        collections,
        documents,
        jobs,
        sources,
        evaluations,
        trainings,
    ):
        app.include_router(noun.router)
    if loopback:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
    app.add_middleware(Gate, max_file_bytes=service.limits.max_bytes)
    app.add_middleware(metrics.Meter, metrics=app.state.metrics)
    return app


def serve(settings: Settings) -> None:
    """Open everything, take requests until SIGTERM or SIGINT, close everything.

    Raises ValueError for an address other than loopback without a key.
    """
    keys = Keys.parse(settings.api_keys, reveal(settings.api_key))
    if not keys and not settings.is_loopback:
        raise ValueError(
            f"KALM_HOST={settings.host} lets others in: set KALM_API_KEY (`kalm key admin` makes one) "
            "or leave KALM_HOST at 127.0.0.1"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    service = Service.open(settings)
    service.start()
    try:
        uvicorn.run(
            create_app(service, keys, loopback=settings.is_loopback),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
    finally:
        service.close()
