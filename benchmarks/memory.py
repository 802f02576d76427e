"""Memory of the service and its readers while a corpus streams through: python -m benchmarks.memory

The corpus is made: web pages as they come, mostly scripts and styles around some text, and after each 100 MB
of them a table of 5 MB. The encoder is the fake one, since what is asked here is what waits for it. Private
memory is what a process has for itself (RssAnon); the index's files are beside it, in memory that the system
takes back when it needs it. What an index needs to be open shows when the service is started anew on it.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from app.client import Client, ServiceError
from app.schemas import ChunkingChoice, NewJob, SearchRequest
from benchmarks.machine import ROOT, describe, free_port
from ingest.errors import IngestError
from ingest.worker import ParseWorker

PAGE_BYTES = 250_000
PAGE_WORDS = 600
PAGES_A_TABLE = 400
TABLE_ROWS = 40_000
SAMPLE_S = 0.2
CHUNK_TOKENS = 512
MB = 1_000_000


@dataclass
class Memory:
    """Of a process and those it started, sampled until it is stopped; MB."""

    pid: int
    own: list[float] = field(default_factory=list)
    """Private memory of the process itself, a figure per sample."""
    files: list[float] = field(default_factory=list)
    children: list[float] = field(default_factory=list)
    """Of those it started, together: readers of files, and what the index has built aside."""

    def sample(self) -> None:
        own, files = _resident(self.pid)
        self.own.append(own)
        self.files.append(files)
        self.children.append(sum(_resident(child)[0] for child in _children(self.pid)))


def main(megabytes: int = 1000, line_mb: int = 1000) -> None:
    """Print memory at each tenth of the way, then what a file of one line costs."""
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_corpus(folder / "corpus", megabytes)
        print(f"{files} files, {megabytes} MB")
        with service(folder / "data") as (client, memory):
            begin = time.perf_counter()
            shares: list[float] = []
            print(f"{'done':>5} {'s':>6} {'service MB':>11} {'peak':>6} {'index MB':>9} {'others MB':>10}")
            for done in ingested(client, folder / "corpus"):
                if done >= (len(shares) + 1) / 10:
                    shares.append(done)
                    print(
                        f"{done:>5.0%} {time.perf_counter() - begin:>6.0f} {memory.own[-1]:>11.0f} "
                        f"{max(memory.own):>6.0f} {memory.files[-1]:>9.0f} {max(memory.children):>10.0f}",
                        flush=True,
                    )
            print(f"{client.collections()[0].chunks} passages; ", end="", flush=True)
        with service(folder / "data") as (client, memory):
            client.search(SearchRequest(query="words"))
            time.sleep(5)
            print(f"a service started anew on them has {memory.own[-1]:.0f} MB")
        _line(folder / "line.csv", line_mb)


def write_corpus(folder: Path, megabytes: int, *, pages_a_table: int = PAGES_A_TABLE) -> int:
    """How many files it takes."""
    folder.mkdir()
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvz", k=chance.randint(3, 9))) for _ in range(5000)]
    written = files = 0
    while written < megabytes * MB:
        if files % (pages_a_table + 1) == pages_a_table:
            path = folder / f"{files:06}-table.csv"
            rows = (f"{row},{' '.join(chance.choices(words, k=18))}\n" for row in range(TABLE_ROWS))
            path.write_text("number,words\n" + "".join(rows))
        else:
            path = folder / f"{files:06}-page.html"
            text = "</p><p>".join(
                " ".join(chance.choices(words, k=100)) + "." for _ in range(PAGE_WORDS // 100)
            )
            script = f"var page = {files};" * ((PAGE_BYTES - len(text)) // 18)
            path.write_text(f"<html><title>{files}</title><script>{script}</script><p>{text}</p></html>")
        written += path.stat().st_size
        files += 1
    return files


@contextmanager
def service(data: Path) -> Iterator[tuple[Client, Memory]]:
    """A service with the fake encoder, and its memory, sampled all the time."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"],
        cwd=ROOT,
        env={**os.environ, "KALM_MODEL": "fake", "KALM_DATA_DIR": str(data), "KALM_PORT": str(port)},
    )
    stop = threading.Event()
    memory = Memory(process.pid)

    def watch() -> None:
        while not stop.wait(SAMPLE_S) and process.poll() is None:
            memory.sample()

    sampler = threading.Thread(target=watch)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            while not _is_up(client):
                time.sleep(SAMPLE_S)
            sampler.start()
            yield client, memory
    finally:
        stop.set()
        process.terminate()
        process.wait()


def ingested(client: Client, folder: Path) -> Iterator[float]:
    """The share of the folder's files that is done, until all are; each must have gone well."""
    client.create_collection("library", ChunkingChoice(chunk_tokens=CHUNK_TOKENS, window_tokens=CHUNK_TOKENS))
    job = client.ingest(NewJob(place=str(folder)))
    while job.finished is None:
        time.sleep(1)
        job = client.job(job.id).job
        done = sum(count for outcome, count in job.outcomes.items() if outcome not in ("queued", "running"))
        yield done / job.total if job.total else 0.0
    assert job.outcomes == {"added": job.total}, job


def _line(path: Path, megabytes: int) -> None:
    """A file of one line is read as far as a line may go."""
    with path.open("wb") as file:
        file.write(b"a," * 10_000)
        for _ in range(megabytes):
            file.write(b"x" * MB)
    worker = ParseWorker()
    memory = Memory(os.getpid())
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            memory.sample()

    sampler = threading.Thread(target=watch)
    sampler.start()
    begin = time.perf_counter()
    try:
        worker.parse(path, path.name)
    except IngestError as error:
        taken = time.perf_counter() - begin
        most = max(memory.children)
        print(f"one line of {megabytes} MB: {taken:.1f} s, reader at most {most:.0f} MB: {error}")
    finally:
        stop.set()
        sampler.join()
        worker.close()


def _is_up(client: Client) -> bool:
    try:
        return client.status() is not None
    except ServiceError:
        return False


def _resident(pid: int) -> tuple[float, float]:
    """Private memory and mapped files, MB; zeros for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    found = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return tuple(int(found.get(name, "0 kB").split()[0]) / 1000 for name in ("RssAnon", "RssFile"))  # type: ignore[return-value]


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [each for child in direct for each in (child, *_children(child))]
    return found


if __name__ == "__main__":
    tyro.cli(main)
