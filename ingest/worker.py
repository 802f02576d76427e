"""Read files in a child process: what a file does to its reader it does to nobody else.

The child has limits of time and memory, no network, no other programs but tesseract, no secrets, and
talks JSON lines, several of them for a long text. One that exceeds a limit is killed and the next file gets
a new one.
"""

import base64
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ingest import errors
from ingest.errors import IngestError, ParseLimit, UnknownPage
from ingest.parse.ocr import TESSERACT
from ingest.records import Element, Picture

_FILES_PER_CHILD = 200
"""Then a fresh one: parsers leak."""
_OUTPUT_BYTES = 256 << 20
_OPEN_FILES = 64
_FILE_BYTES = 256 << 20
_POLL_BYTES = 1 << 16
_PART_CHARS = 1 << 20
"""Of elements in one line: what is read row by row is sent so too, and fills no memory on the way."""
_FORBIDDEN = frozenset(
    "socket.bind socket.connect socket.getaddrinfo socket.gethostbyaddr socket.gethostbyname socket.sendmsg "
    "socket.sendto subprocess.Popen os.exec os.fork os.forkpty os.posix_spawn os.spawn os.system".split()
)
"""Python's audit events that a reader of files has no business with."""
_PASSED_ON = ("PATH", "TESSDATA_PREFIX")
"""Where tesseract and its languages are: the one program that may be started."""


class ParseWorker:
    """One child, started when it is needed and again after it died. Safe from several threads."""

    def __init__(self, *, timeout_s: float = 90.0, memory_mb: int = 2048) -> None:
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._files = 0
        self._folder = tempfile.TemporaryDirectory(prefix="kalm-parse-")

    def parse(self, path: Path, name: str) -> list[Element]:
        """The elements of a file. Raises IngestError; ParseLimit if the child had to be killed."""
        answers = self._do("parse", path, name)
        return [Element(*fields) for answer in answers for fields in answer["elements"]]

    def format_of(self, path: Path, name: str) -> str:
        """The format of a file, told by its bytes. Raises IngestError for one that can't be read."""
        found: str = self._do("format", path, name)[0]["format"]
        return found

    def picture(self, path: Path, name: str, number: int, passage: str = "") -> Picture:
        """A page (1-based) of a pdf, `passage` highlighted. Raises IngestError, UnknownPage."""
        found = self._do("picture", path, name, number=number, passage=passage)[0]
        return Picture(base64.b64decode(found["png"]), found["pages"])

    def _do(self, task: str, path: Path, name: str, **more: int | str) -> list[dict[str, Any]]:
        with self._lock:
            if self._child is None or self._child.poll() is not None or self._files >= _FILES_PER_CHILD:
                self._start()
            self._files += 1
            answers = list(self._ask({"task": task, "path": str(path.absolute()), "name": name, **more}))
        if "error" in answers[-1]:
            kind = getattr(errors, answers[-1]["error"], IngestError)
            raise kind(answers[-1]["message"])
        return answers

    def close(self) -> None:
        with self._lock:
            self._kill()
            self._folder.cleanup()

    def _start(self) -> None:
        self._kill()
        root = Path(__file__).parents[1]
        self._child = subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, "-m", "ingest.worker", str(self._memory_mb), str(self._timeout_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._folder.name,
            env={
                "PYTHONPATH": str(root),
                "HOME": self._folder.name,
                "TMPDIR": self._folder.name,
                "LANG": "C.UTF-8",
                **{name: value for name in _PASSED_ON if (value := os.environ.get(name))},
            },
            start_new_session=True,  # Ctrl-C is for the service, which stops its children in order
        )
        self._files = 0

    def _ask(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answers, until one without "more". Raises ParseLimit if the child had to be killed, or died."""
        assert self._child is not None
        assert self._child.stdin is not None
        name = request["name"]
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
            for line in self._lines(name):
                answer: dict[str, Any] = json.loads(line)
                yield answer
                if not answer.get("more"):
                    return
        except BrokenPipeError:
            pass  # it died before it was asked
        if self._kill() == -signal.SIGXCPU:
            raise self._too_slow(name)
        raise ParseLimit(
            f"{name}: reading it took more than {self._memory_mb} MB of memory, or crashed its reader; "
            "split the file, or raise KALM_PARSE_MEMORY_MB"
        )

    def _lines(self, name: str) -> Iterator[bytes]:
        """Lines until the child dies. Raises ParseLimit after the time-out, or for too much text."""
        assert self._child is not None
        assert self._child.stdout is not None
        deadline = time.monotonic() + self._timeout_s
        output = self._child.stdout.fileno()
        begun = bytearray()
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                self._kill()
                raise self._too_slow(name)
            block = os.read(output, _POLL_BYTES)
            if not block:
                return
            size += len(block)
            if size > _OUTPUT_BYTES:
                self._kill()
                raise ParseLimit(
                    f"{name}: it holds more than {_OUTPUT_BYTES >> 20} MB of text; split the file"
                )
            *whole, rest = block.split(b"\n")
            for end in whole:
                yield bytes(begun + end)
                begun.clear()
            begun += rest

    def _too_slow(self, name: str) -> ParseLimit:
        return ParseLimit(
            f"{name}: reading it took more than {self._timeout_s:.0f} s; "
            "split the file, or raise KALM_PARSE_TIMEOUT_S"
        )

    def _kill(self) -> int:
        """End the child with whatever it started; its exit status, 0 if there is none."""
        child, self._child = self._child, None
        if child is None:
            return 0
        assert child.stdin is not None
        assert child.stdout is not None
        code = child.poll()
        if code is None:
            os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
        for pipe in (child.stdin, child.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        return code


class ParseWorkers:
    """Several children: a slow file does not hold up the others. Safe from several threads."""

    def __init__(self, number: int, *, timeout_s: float = 90.0, memory_mb: int = 2048) -> None:
        self._all = [ParseWorker(timeout_s=timeout_s, memory_mb=memory_mb) for _ in range(number)]
        self._idle: queue.LifoQueue[ParseWorker] = queue.LifoQueue()  # the last one is warm
        for worker in self._all:
            self._idle.put(worker)

    def parse(self, path: Path, name: str) -> list[Element]:
        """As `ParseWorker.parse`, once a child is free."""
        worker = self._idle.get()
        try:
            return worker.parse(path, name)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        for worker in self._all:
            worker.close()


def serve(memory_mb: int, timeout_s: float) -> None:
    """The child: answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    import ingest.parse  # noqa: F401 before the limits: its imports are ours, not the file's

    _limit(memory_mb)
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        name = request["name"]
        _limit_time(timeout_s)
        try:
            for answer in _TASKS[request.pop("task")](Path(request.pop("path")), **request):
                _say(answer, answers)
            continue
        except (IngestError, UnknownPage) as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        except OSError as error:
            answer = {"error": "SourceGone", "message": f"{name} can't be read ({error.strerror})"}
        except (MemoryError, RecursionError):
            answer = {
                "error": "ParseLimit",
                "message": f"{name}: reading it took more than {memory_mb} MB of memory; "
                "split the file, or raise KALM_PARSE_MEMORY_MB",
            }
        _say(answer, answers)


def _say(answer: dict[str, Any], answers: TextIO) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _parse(path: Path, name: str) -> Iterator[dict[str, Any]]:
    from ingest.parse import elements_of

    part: list[tuple[Any, ...]] = []
    chars = 0
    for element in elements_of(path, name):
        part.append((element.kind, element.text, element.depth, element.page, element.unseen))
        chars += len(element.text)
        if chars > _PART_CHARS:
            yield {"elements": part, "more": True}
            part, chars = [], 0
    yield {"elements": part}


def _format(path: Path, name: str) -> Iterator[dict[str, Any]]:
    from ingest.parse.formats import format_of

    yield {"format": format_of(path, name)}


def _picture(path: Path, name: str, number: int, passage: str) -> Iterator[dict[str, Any]]:
    from ingest.parse.picture import render

    picture = render(path, name, number, passage)
    yield {"png": base64.b64encode(picture.png).decode(), "pages": picture.pages}


_TASKS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "parse": _parse,
    "format": _format,
    "picture": _picture,
}


def _limit(memory_mb: int) -> None:
    """Memory, files, network and programs; the system's own limits where it has them (not on macOS)."""
    wanted = {
        resource.RLIMIT_AS: memory_mb << 20,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in wanted.items():
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):
            continue
    sys.addaudithook(_refuse)


def _refuse(event: str, about: tuple[object, ...]) -> None:
    if event in _FORBIDDEN and not (event == "subprocess.Popen" and about[0] == TESSERACT is not None):
        raise PermissionError(f"{event} is not for a reader of files")


def _limit_time(timeout_s: float) -> None:
    """CPU seconds from now on; the parent keeps the wall clock."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
