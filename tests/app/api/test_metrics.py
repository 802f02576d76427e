"""`/metrics` and `/readyz`: figures that a monitor can act on, and no text of anybody's."""

import httpx

from app.client import Client
from app.keys import hash_key
from tests.app.conftest import Serve


def test_requests_and_batches_are_counted_without_a_text(library: Client) -> None:
    httpx.post(f"{library.url}/v1/embeddings", json={"model": "fake", "input": ["secret one", "two"]})
    httpx.get(f"{library.url}/secret-path")

    figures = httpx.get(f"{library.url}/metrics").text

    assert 'kalm_requests_total{method="POST",route="/v1/embeddings",status="200"} 1.0' in figures
    assert 'kalm_requests_total{method="GET",route="unknown",status="404"} 1.0' in figures
    assert 'kalm_encoder_info{device="cpu, no model"' in figures
    assert "kalm_encoder_waiting_tokens 0.0" in figures
    assert "secret" not in figures


def test_where_keys_are_configured_figures_need_one(serve: Serve) -> None:
    url = serve(api_keys=f"reader:{hash_key('key')}")

    assert httpx.get(f"{url}/metrics").status_code == 401
    assert httpx.get(f"{url}/metrics", headers={"Authorization": "Bearer key"}).status_code == 200


def test_a_service_is_ready_until_its_encoder_stops(client: Client) -> None:
    assert httpx.get(f"{client.url}/readyz").json() == {"status": "ready"}
