"""How long a search takes over HTTP, on the sample library: python -m benchmarks.search

One client asks every question of `app/sample/queries.jsonl`, one after the other, at every width.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import tyro

from app.client import Client
from app.schemas import SearchRequest, SearchResponse
from benchmarks.machine import SAMPLE, describe, percentile, up


def main(rounds: int = 10) -> None:
    """Ask every question `rounds` times, after one round to warm up."""
    questions = [json.loads(line)["query"] for line in (SAMPLE / "queries.jsonl").read_text().splitlines()]
    with tempfile.TemporaryDirectory() as name, up(Path(name)) as service, Client(service.url) as client:
        collection = client.collections()[0]
        print(f"{collection.encoder}, {collection.documents} documents, {collection.chunks} passages")
        print(f"{'dims':>5} {'p50':>7} {'p95':>7} {'max':>7}   {'encode p50':>10} {'search p50':>10}  ms")
        for dim in collection.dims:
            requests = [SearchRequest(query=question, dim=dim) for question in questions]
            for request in requests:
                client.search(request)
            asked = [ask(client, request) for _ in range(rounds) for request in requests]
            total = [milliseconds for milliseconds, _ in asked]
            print(
                f"{dim:>5} {median(total):>7.1f} {percentile(total, 95):>7.1f} {max(total):>7.1f}   "
                f"{median(response.timing.encode_ms for _, response in asked):>10.1f} "
                f"{median(response.timing.search_ms for _, response in asked):>10.1f}"
            )
    print(f"{rounds * len(questions)} searches a row, one client; {describe()}")


def ask(client: Client, request: SearchRequest) -> tuple[float, SearchResponse]:
    """Milliseconds as the client sees them, and the answer with the service's own account."""
    begin = time.perf_counter()
    response = client.search(request)
    return (time.perf_counter() - begin) * 1000, response


if __name__ == "__main__":
    tyro.cli(main)
