"""A real service on loopback with the fake encoder, and a real server that speaks OpenAI's chat protocol."""

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn

from app import cli
from app.api import create_app
from app.client import Client
from app.keys import Keys
from app.schemas import NewJob
from app.service import Service
from app.settings import Settings, reveal
from ingest.worker import ParseWorker, ParseWorkers

WAIT_S = 30.0
_LOOK_S = 0.01


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prompt(uvicorn.Server):
    """Leaves when it is told to and has answered: uvicorn's own looks ten times a second, at each of both."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(_LOOK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(_LOOK_S)
        await self.lifespan.shutdown()


@contextmanager
def running(app: Any) -> Iterator[str]:
    """An ASGI application on a free port of loopback; yields its address."""
    port = free_port()
    server = Prompt(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(_LOOK_S)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


class SharedReader(ParseWorker):
    """Stays open when a service closes: starting one takes a second."""

    def close(self) -> None: ...


class SharedReaders(ParseWorkers):
    def close(self) -> None: ...


@pytest.fixture(scope="session")
def readers() -> Iterator[tuple[ParseWorkers, ParseWorker]]:
    """The processes that read files, for all services in this process."""
    several = SharedReaders(2, timeout_s=90, memory_mb=2048)
    one = SharedReader(timeout_s=90, memory_mb=2048)
    yield several, one
    ParseWorkers.close(several)
    ParseWorker.close(one)


Serve = Callable[..., str]
Kalm = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def stop() -> Iterator[list[Callable[[], None]]]:
    """How to stop each service that runs, the last one last."""
    ends: list[Callable[[], None]] = []
    yield ends
    while ends:
        ends.pop()()


@pytest.fixture
def serve(
    tmp_path: Path,
    readers: tuple[ParseWorkers, ParseWorker],
    monkeypatch: pytest.MonkeyPatch,
    stop: list[Callable[[], None]],
) -> Serve:
    """Starts a service, with any settings; returns its URL."""
    monkeypatch.setattr("app.service.ParseWorkers", lambda *_, **__: readers[0])
    monkeypatch.setattr("app.service.ParseWorker", lambda **_: readers[1])

    def serve_it(**settings: Any) -> str:
        chosen = Settings(**{"model": "fake", "data_dir": tmp_path / "data", **settings})
        service = Service.open(chosen)
        service.start()
        keys = Keys.parse(chosen.api_keys, reveal(chosen.api_key))
        context = running(create_app(service, keys, loopback=True))
        url = context.__enter__()

        def end() -> None:
            context.__exit__(None, None, None)
            service.close()

        stop.append(end)
        return url

    return serve_it


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """`Client(url, key)`, closed at the end."""
    with ExitStack() as stack:
        yield lambda *where: stack.enter_context(Client(*where))


@pytest.fixture
def client(serve: Serve, connect: Callable[..., Client]) -> Client:
    return connect(serve())


@pytest.fixture
def library(client: Client, tmp_path: Path) -> Client:
    """A client of a service with three small documents in "library"."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "battery.md").write_text(
        "# Battery care\n\nThe battery wants a cool and dry place.\n\n"
        "# Charging\n\nCharge it to sixty percent before winter."
    )
    (folder / "bread.md").write_text("# Bread\n\nFlour, water, salt and time make bread. Bake it hot.")
    (folder / "akku.md").write_text("# Akku\n\nDer Akku gehört im Winter an einen kühlen und trockenen Ort.")
    ingest(client, folder)
    return client


@pytest.fixture
def kalm(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kalm:
    """Runs a `kalm` command as a process, forked from one that has its modules: each start is a second."""
    # a child imports its parent's main module, which is pytest, or a page that was tested before
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload("app.api app.cli app.client embedder.errors httpcore typeguard".split())

    def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        told = {
            **os.environ,
            "KALM_URL": client.url,
            "KALM_DATA_DIR": str(tmp_path / "data"),
            **environment,
        }
        outputs = tmp_path / "kalm.out", tmp_path / "kalm.err"
        process = context.Process(target=_kalm, args=(command, told, outputs))
        process.start()
        process.join(120)
        assert process.exitcode is not None, command
        return subprocess.CompletedProcess(command, process.exitcode, *(one.read_text() for one in outputs))

    return run


def _kalm(command: tuple[str, ...], environment: dict[str, str], outputs: tuple[Path, Path]) -> None:
    """In the child."""
    for number, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["kalm", *command]
    cli.main()


def ingest(client: Client, folder: Path, *, sync: bool = False) -> dict[str, int]:
    """Ingest a folder into "library" and wait for the end."""
    client.create_collection("library")
    job = client.ingest(NewJob(place=str(folder), sync=sync))
    return wait(client, job.id)


def wait(client: Client, job: str) -> dict[str, int]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = client.job(job).job
        if found.finished is not None:
            assert found.state == "done", found.problem
            return found.outcomes
        time.sleep(0.01)
    raise AssertionError(client.job(job))
