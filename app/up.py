"""Service and page as two child processes that live and die together."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import httpx

from app.client import Client
from app.schemas import NewJob
from app.settings import Settings, reveal

SAMPLE = Path(__file__).parent / "sample" / "library"
SAMPLE_COLLECTION = "library"
READY_S = 180.0
"""A large model on a slow disk takes its time."""
STOP_S = 20.0
_POLL_S = 0.1
_LOG_LINES = 15


class _Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def run(settings: Settings, *, sample: bool) -> None:
    """Start both, print the address, wait until told to stop. Raises ValueError if they can't start."""
    if settings.url:
        raise ValueError(
            f"KALM_URL={settings.url} names another service, `kalm up` starts its own: unset it, "
            "or run only the page with `kalm ui`"
        )
    for port, name in ((settings.port, "KALM_PORT"), (settings.ui_port, "KALM_UI_PORT")):
        _require_free(port, name)
    logs = settings.data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in (("service", "serve"), ("page", "ui")):
            children[name] = _start(command, logs / f"{name}.log")
        _say("Starting the service and the page …")
        _wait_for(f"{settings.service_url}/readyz", children, logs)
        _wait_for(f"http://127.0.0.1:{settings.ui_port}/_stcore/health", children, logs)
        with Client(settings.service_url, reveal(settings.api_key)) as client:
            encoder = client.status().encoder
            address = f"http://localhost:{settings.ui_port}"
            _say(f"\n  Ready: {address}\n  Encoder: {encoder.name} ({encoder.languages}), {encoder.device}\n")
            if sample:
                _ingest_sample(client, children, logs)
        _say("Ctrl-C stops everything.")
        while True:
            _check(children, logs)
            time.sleep(_POLL_S)
    except _Stopped:
        _say("\nStopping …")
    finally:
        _end(children)


def _start(command: str, log: Path) -> "subprocess.Popen[bytes]":
    """A child in its own process group, which ends when we do, even if we are killed: it watches a pipe."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))  # the last run's, in case it is to be asked why it ended
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, "-m", "app.child", command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _ingest_sample(client: Client, children: dict[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    """Bring the sample library up to date, and say what that took."""
    client.create_collection(SAMPLE_COLLECTION)
    job = client.ingest(NewJob(place=str(SAMPLE), collection=SAMPLE_COLLECTION))
    shown = 0
    while job.finished is None:
        _check(children, logs)
        job = client.job(job.id).job
        done = job.total - job.outcomes.get("queued", 0) - job.outcomes.get("running", 0)
        if done > shown and sys.stdout.isatty() and not job.outcomes.get("unchanged"):
            _say(f"\r  Sample library: {done} of {job.total} documents", end="")
            shown = done
        time.sleep(_POLL_S)
    fresh = [f"{count} {what}" for what, count in sorted(job.outcomes.items()) if what != "unchanged"]
    start = "\r" if shown else ""
    _say(f"{start}  Sample library: {job.total} documents, {', '.join(fresh) or 'nothing new'}")
    for item in client.job(job.id).items:
        if item.error:
            _say(f"  {item.error}")
    if job.problem:
        _say(f"  {job.problem}")


def _wait_for(url: str, children: dict[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        _check(children, logs)
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(_POLL_S)
    raise ValueError(f"{url} did not answer within {READY_S:.0f} s; see {logs}")


def _check(children: dict[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    """Raises ValueError with the end of its log if a child has died."""
    for name, child in children.items():
        if child.poll() is not None:
            log = logs / f"{name}.log"
            last = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
            raise ValueError(f"the {name} ended (status {child.returncode}):\n{last}\nAll of it: {log}")


def _end(children: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """The page first, so that nobody asks a service that is leaving."""
    _stop_listening()
    for child in reversed(children.values()):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdin is not None:
            child.stdin.close()


def _require_free(port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} is taken: kalm may be running already; else choose another by {setting}"
            ) from error


def _stop(_: int, __: FrameType | None) -> None:
    _stop_listening()
    raise _Stopped


def _stop_listening() -> None:
    """A second Ctrl-C must not cut the stop short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _say(text: str, *, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()
