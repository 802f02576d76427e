"""How long a search takes over HTTP on the sample library, and how often it finds the right document."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import app.sample
from app.client import Client
from app.schemas import SearchRequest
from benchmarks.machine import machine
from benchmarks.start import free_port

ROUNDS = 10


def main() -> None:
    path = Path(app.sample.__file__).parent / "queries.jsonl"
    queries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = {**os.environ, "KALM_DATA_DIR": folder, "KALM_PORT": port, "KALM_UI_PORT": free_port()}
        up = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--sample"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert up.stdout is not None
        assert any("Ctrl-C" in line for line in up.stdout)
        with Client(f"http://127.0.0.1:{port}") as client:
            times, found = measure(client, queries)
            encoder = client.status().encoder.name
        up.terminate()
        up.wait()
        up.stdout.close()
    ranked = sorted(times)
    p95 = ranked[int(0.95 * len(ranked))]
    print(f"{len(times)} searches, {encoder}: p50 {statistics.median(times):.1f} ms, p95 {p95:.1f} ms")
    for group in ("en", "other"):
        hits = [hit for language, hit in found if (language == "en") == (group == "en")]
        print(f"right document among the first 5, {group} queries: {sum(hits)} of {len(hits)}")
    print(machine())


def measure(client: Client, queries: list[dict[str, str]]) -> tuple[list[float], list[tuple[str, bool]]]:
    """Milliseconds of each search as the client sees it; per query its language and whether it hit."""
    times = []
    found = []
    for round_number in range(ROUNDS + 1):
        for query in queries:
            begin = time.perf_counter()
            hits = client.search(SearchRequest(query=query["query"], limit=5)).hits
            if round_number == 0:  # warm-up
                names = {source.name for hit in hits for source in hit.sources}
                found.append((query["lang"], query["document"] in names))
            else:
                times.append(1000 * (time.perf_counter() - begin))
    return times, found


if __name__ == "__main__":
    main()
