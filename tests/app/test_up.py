"""The main job as processes: started, killed, started again; and not a byte to any other machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from app.schemas import NewJob, SearchRequest
from tests.app.conftest import free_port

ROOT = Path(__file__).parents[2]
SAMPLES = len(list((ROOT / "app" / "sample" / "library").iterdir()))
READY_S = 90.0


class Machine:
    """Data folder, ports and environment that several runs share."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.violations = folder / "violations"
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'tests' / 'offline'}{os.pathsep}{ROOT}",
            "KALM_TEST_VIOLATIONS": str(self.violations),
            "KALM_DATA_DIR": str(folder / "data"),
            "KALM_PORT": str(self.port),
            "KALM_UI_PORT": str(free_port()),
            "KALM_MODEL": "fake",
        }
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, *command: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *command],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self.port}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    for process in machine.processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def until_said(process: "subprocess.Popen[str]", words: str) -> str:
    """What the process said up to a line with these words."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"ended without {words!r}:\n{said}")


def kill_child(up: "subprocess.Popen[str]", command: str) -> None:
    """Kill the child of `up` that runs a command, the hard way."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines()[1:]:
        pid, parent, arguments = line.split(maxsplit=2)
        if int(parent) == up.pid and arguments.endswith(f"app.child {command}"):
            os.kill(int(pid), signal.SIGKILL)
            return
    raise AssertionError(f"no child runs {command}")


def wait_ready(client: Client) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            client.status()
        except ServiceError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("not ready")


def test_up_fills_the_sample_library_once_stops_cleanly_and_reaches_no_other_machine(
    machine: Machine,
) -> None:
    first = machine.run("up", "--sample")
    said = until_said(first, "Ctrl-C stops everything.")

    assert f"http://localhost:{machine.environment['KALM_UI_PORT']}" in said
    assert "Encoder: fake" in said
    assert f"{SAMPLES} added" in said
    with machine.client() as client:
        hits = client.search(SearchRequest(query="late return costs euros for every hour")).hits
    assert hits[0].sources[0].name == "rental-terms.md"

    first.send_signal(signal.SIGINT)
    until_said(first, "Stopping")
    first.send_signal(signal.SIGINT)  # which does not cut the stop short
    assert first.wait(20) == 0

    second = machine.run("up", "--sample")
    said = until_said(second, "Ctrl-C stops everything.")
    assert f"{SAMPLES} documents, nothing new" in said
    with machine.client() as client:
        assert client.collections()[0].documents == SAMPLES
        assert client.jobs()[0].outcomes == {"unchanged": SAMPLES}

    busy = machine.run("up")
    assert "is taken: kalm may be running already" in busy.communicate()[0]
    assert busy.returncode == 1

    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0
    with machine.client() as client, pytest.raises(ServiceError, match="start it with `kalm up`"):
        client.status()
    assert not machine.violations.exists(), machine.violations.read_text()


def test_a_child_that_dies_is_named_and_takes_the_other_along(machine: Machine) -> None:
    up = machine.run("up")
    until_said(up, "Ctrl-C stops everything.")

    kill_child(up, "ui")

    assert up.stdout is not None
    said = up.stdout.read()
    assert up.wait(20) == 1
    assert "kalm: the page ended (status -9):" in said
    assert f"All of it: {machine.environment['KALM_DATA_DIR']}/logs/page.log" in said
    with machine.client() as client, pytest.raises(ServiceError, match="start it with `kalm up`"):
        client.status()


def test_up_does_not_start_beside_a_service_that_is_somewhere_else(machine: Machine) -> None:
    machine.environment["KALM_URL"] = "http://elsewhere.example"

    up = machine.run("up")

    assert "KALM_URL=http://elsewhere.example names another service" in up.communicate()[0]
    assert up.returncode == 1


def test_the_children_go_when_up_is_killed(machine: Machine) -> None:
    up = machine.run("up")
    until_said(up, "Ctrl-C stops everything.")

    up.kill()

    with machine.client() as client:
        for _ in range(200):
            try:
                client.status()
            except ServiceError:
                return
            time.sleep(0.1)
    raise AssertionError("the service is still there")


def test_a_service_killed_amid_an_ingestion_goes_on_and_ends_complete(
    machine: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(60):
        text = f"# Report {number}\n\n" + f"Finding number{number} was made here. " * 200
        (folder / f"report-{number:02}.md").write_text(text)
    service = machine.run("serve")
    with machine.client() as client:
        wait_ready(client)
        client.create_collection("library")
        job = client.ingest(NewJob(place=str(folder)))
        for progress in (5, 10, 15):
            while client.job(job.id).job.outcomes.get("added", 0) < progress:
                time.sleep(0.02)
            service.kill()
            service.wait()
            service = machine.run("serve")
            wait_ready(client)

        while (state := client.job(job.id).job).finished is None:
            time.sleep(0.05)

        assert state.state == "done"
        assert state.outcomes.get("failed", 0) == 0
        collection = client.collections()[0]
        assert (collection.documents, collection.failed) == (60, 0)
        chunks = [client.document(one.id) for one in client.documents("library").documents]
        assert all(len(one.passages) == one.document.chunks for one in chunks)
        assert collection.chunks == sum(one.document.chunks for one in chunks)
        for number in (0, 17, 59):
            hits = client.search(SearchRequest(query=f"finding number{number}", limit=1)).hits
            assert hits[0].sources[0].name == f"report-{number:02}.md"
