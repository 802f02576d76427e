"""Jobs from the queue to their end, with one thread and real files."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from embedder.encoder import Vectors
from embedder.errors import ServerFailed
from ingest.database import Database
from ingest.errors import DiskFull, IndexUnavailable, UnreadableFile
from ingest.index.contract import Index
from ingest.intake import Intake
from ingest.jobs import Job, Jobs
from ingest.lexical import SparseVector
from ingest.pipeline import Shelf
from ingest.records import Chunk, Document, Element
from ingest.runner import MAX_ATTEMPTS, Runner
from ingest.sources import list_files
from tests.ingest.conftest import read_lines, until


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


Run = Callable[[Job], Job]


@pytest.fixture
def run(jobs: Jobs, shelf: Shelf, intake: Intake) -> Iterator[Run]:
    """Runs a job to its end; the runner starts with the first."""

    def parse(document: Document) -> list[Element]:
        if "broken" in document.source.name:
            raise UnreadableFile(f"{document.source.name}: damaged")
        if "bug" in document.source.name:
            raise ZeroDivisionError("ours")
        return read_lines(document)

    runner = Runner(jobs, lambda _: shelf, parse, intake)
    running: list[Runner] = []

    def run_it(job: Job) -> Job:
        if not running:
            runner.start()
            running.append(runner)
        runner.wake()
        for _ in range(500):
            if jobs.get(job.id).finished is not None:
                return jobs.get(job.id)
            time.sleep(0.02)
        raise AssertionError(f"still {jobs.get(job.id)}")

    yield run_it
    if running:
        runner.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("one two three")
    (folder / "deep" / "b.md").write_text("four five six")
    (folder / ".hidden.md").write_text("seven")
    (folder / "link.md").symlink_to(folder / "a.md")
    return folder


def test_a_folder_is_ingested_once(folder: Path, jobs: Jobs, shelf: Shelf, run: Run) -> None:
    assert run(jobs.add("library", "docs", root=folder)).outcomes == {"added": 2}
    points = shelf.index.count()

    assert run(jobs.add("library", "docs", root=folder)).outcomes == {"unchanged": 2}
    assert shelf.index.count() == points


def test_one_bad_file_does_not_stop_the_others(folder: Path, jobs: Jobs, shelf: Shelf, run: Run) -> None:
    (folder / "broken.md").write_text("x")
    (folder / "bug.md").write_text("x")
    (folder / "huge.md").write_text("x" * 20_000)

    job = run(jobs.add("library", "docs", root=folder))

    assert job.outcomes == {"added": 2, "failed": 3}
    failures = {item.source.name: (item.error_code, item.error) for item in jobs.items(job.id) if item.error}
    assert failures["broken.md"] == ("unreadable", "broken.md: damaged")
    assert failures["huge.md"][0] == "too_large"
    assert failures["bug.md"] == (
        "internal",
        "bug.md: unexpected ZeroDivisionError: ours; the service's log has the details",
    )
    assert shelf.ledger.counts("library") == (5, 3, 2)


def test_sync_removes_what_is_gone_and_only_below_its_folder(
    folder: Path, jobs: Jobs, shelf: Shelf, run: Run, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "docs-other"
    elsewhere.mkdir()
    (elsewhere / "c.md").write_text("seven eight nine")
    run(jobs.add("library", "docs", root=folder))
    run(jobs.add("library", "other", root=elsewhere))

    (folder / "a.md").unlink()

    assert run(jobs.add("library", "docs", root=folder, sync=True)).outcomes == {
        "unchanged": 1,
        "removed": 1,
    }
    assert [row.name for row in shelf.ledger.documents("library")[0]] == ["b.md", "c.md"]


def test_sync_does_not_empty_a_collection_when_its_disk_is_missing(
    folder: Path, jobs: Jobs, shelf: Shelf, run: Run
) -> None:
    run(jobs.add("library", "docs", root=folder))
    for path in (folder / "a.md", folder / "deep" / "b.md", folder / "link.md"):
        path.unlink()

    stopped = run(jobs.add("library", "docs", root=folder, sync=True))

    assert stopped.state == "stopped"
    assert stopped.problem is not None
    assert stopped.problem.startswith(f"{folder} is empty: its 2 documents were kept")
    assert shelf.ledger.counts("library")[0] == 2


def test_a_job_of_a_killed_process_goes_on(folder: Path, jobs: Jobs, run: Run) -> None:
    job = jobs.add("library", "docs", root=folder)
    assert jobs.begin(job.id)
    jobs.list_items(job.id, list(list_files(folder)))
    assert jobs.claim_item(job.id) is not None

    assert run(job).outcomes == {"added": 2}


def test_a_file_that_kills_the_service_is_given_up(folder: Path, jobs: Jobs, run: Run) -> None:
    job = jobs.add("library", "docs", items=list(list_files(folder)))
    assert jobs.begin(job.id)
    for _ in range(MAX_ATTEMPTS):
        assert jobs.claim_item(job.id) is not None
        jobs.requeue_running()

    assert run(job).outcomes == {"added": 1, "failed": 1}
    assert jobs.items(job.id)[0].error == f"a.md: given up, the service died {MAX_ATTEMPTS} times over it"


def test_a_cancelled_job_stays_cancelled(folder: Path, jobs: Jobs, run: Run) -> None:
    job = jobs.add("library", "docs", root=folder)
    jobs.cancel(job.id)

    assert run(job).state == "cancelled"
    assert jobs.next() is None


def test_retry_takes_up_what_failed(folder: Path, jobs: Jobs, shelf: Shelf, run: Run) -> None:
    (folder / "huge.md").write_text("x" * 20_000)
    job = run(jobs.add("library", "docs", root=folder))
    (folder / "huge.md").write_text("small now")

    assert run(jobs.retry(job.id)).outcomes == {"added": 3}
    assert shelf.ledger.counts("library") == (3, 0, 3)


class Failing:
    """A real index whose writes fail as often as told."""

    def __init__(self, index: Index, error: Exception, times: int) -> None:
        self._index, self._error, self.times = index, error, times

    def upsert(
        self, chunks: Sequence[Chunk], vectors: Sequence[Vectors], terms: Sequence[SparseVector]
    ) -> None:
        if self.times > 0:
            self.times -= 1
            raise self._error
        self._index.upsert(chunks, vectors, terms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


@pytest.mark.parametrize(
    "error",
    [
        IndexUnavailable("the Qdrant server failed"),
        DiskFull("100 MB free"),
        ServerFailed("the encoder answered 429"),
    ],
    ids=["index gone", "disk full", "encoder gone"],
)
def test_a_job_waits_for_what_comes_back_and_goes_on_by_itself(
    folder: Path,
    jobs: Jobs,
    open_shelf: Callable[[], Shelf],
    intake: Intake,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.jobs._FIRST_WAIT_S", 1.0)
    shelf = open_shelf()
    broken = replace(shelf, index=cast("Index", Failing(shelf.index, error, times=1)))
    runner = Runner(jobs, lambda _: broken, read_lines, intake)
    job = jobs.add("library", "docs", root=folder)

    runner.start()
    try:
        assert until(lambda: jobs.get(job.id).state == "waiting")
        assert jobs.get(job.id).problem == str(error)
        assert until(lambda: jobs.get(job.id).state == "done")
    finally:
        runner.stop()

    assert jobs.get(job.id).outcomes == {"added": 2}
    assert jobs.get(job.id).problem is None
    assert {item.attempts for item in jobs.items(job.id)} == {1}
    assert shelf.index.count() == 2


def test_a_paused_job_goes_on_where_it_was(intake: Intake, jobs: Jobs, shelf: Shelf, folder: Path) -> None:
    for number in range(20):
        (folder / f"{number}.md").write_text(f"text number {number}")
    begun = threading.Event()

    def parse(document: Document) -> list[Element]:
        begun.set()
        time.sleep(0.05)
        return read_lines(document)

    runner = Runner(jobs, lambda _: shelf, parse, intake)
    job = jobs.add("library", "docs", root=folder)
    runner.start()
    try:
        assert begun.wait(5)
        jobs.pause(job.id)
        assert until(lambda: "running" not in jobs.get(job.id).outcomes)
        paused = jobs.get(job.id)
        assert paused.state == "paused"
        assert paused.outcomes["queued"] > 0
        jobs.resume(job.id)
        runner.wake()
        assert until(lambda: jobs.get(job.id).state == "done")
    finally:
        runner.stop()

    assert jobs.get(job.id).outcomes == {"added": 22}


def test_an_item_tells_its_stages_and_a_twin_is_named(
    tmp_path: Path, jobs: Jobs, shelf: Shelf, run: Run
) -> None:
    folder = tmp_path / "twins"
    folder.mkdir()
    text = " ".join(f"word{number * 7919 % 1000}" for number in range(500))
    (folder / "a.md").write_text(text)
    run(jobs.add("library", "docs", root=folder))
    (folder / "b.md").write_text(text.replace("word3 ", "sword "))

    job = run(jobs.add("library", "docs", root=folder))

    assert {item.source.name: item.note for item in jobs.items(job.id)} == {
        "a.md": None,
        "b.md": "nearly the same text as a.md",
    }
    stages = jobs.stages(job.id)
    assert list(stages) == sorted(("read", "parse", "chunk", "encode", "write", "verify"))
    assert stages["read"].work == sum(path.stat().st_size for path in folder.iterdir())
