"""How long a search takes over HTTP, on the sample library: python -m benchmarks.latency

One client asks every question of `app/sample/queries.jsonl`, one by one, at every width; then many clients at
once, each its own connection, each a search after the other.
"""

import json
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import tyro

from app.client import Client, ServiceError
from app.schemas import SearchRequest, SearchResponse
from benchmarks.machine import SAMPLE, describe, percentile, up


def main(rounds: int = 10, clients: int = 16, seconds: float = 30) -> None:
    """Ask every question `rounds` times, after one round to warm up; then `clients` at once for `seconds`."""
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
        print(f"{rounds * len(questions)} searches a row, one client")
        at_once(service.url, questions, clients, seconds)
    print(describe())


def ask(client: Client, request: SearchRequest) -> tuple[float, SearchResponse]:
    """Milliseconds as the client sees them, and the answer with the service's own account."""
    begin = time.perf_counter()
    response = client.search(request)
    return (time.perf_counter() - begin) * 1000, response


def at_once(url: str, questions: Sequence[str], clients: int, seconds: float) -> None:
    """Every client asks without a pause; no answer without hits and no error is let pass."""
    times: list[float] = []
    errors: list[str] = []
    until = time.perf_counter() + seconds

    def work(first: int) -> None:
        with Client(url) as client:
            at = first
            while time.perf_counter() < until:
                try:
                    milliseconds, response = ask(client, SearchRequest(query=questions[at % len(questions)]))
                except ServiceError as error:
                    errors.append(str(error))
                else:
                    times.append(milliseconds)
                    if not response.hits:
                        errors.append(f"nothing found for {questions[at % len(questions)]!r}")
                at += 1

    begin = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.perf_counter() - begin)
    print(
        f"{clients} clients at once: {rate:.1f} searches/s, p50 {median(times):.0f} ms, "
        f"p95 {percentile(times, 95):.0f} ms, max {max(times):.0f} ms, {len(errors)} errors {errors[:3]}"
    )


if __name__ == "__main__":
    tyro.cli(main)
