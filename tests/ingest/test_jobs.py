"""The queue: what happens to a job, whatever happens around it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.database import Database
from ingest.errors import UnknownJob
from ingest.jobs import Job, Jobs, Work
from ingest.ledger import Ledger
from ingest.records import Source


@pytest.fixture
def jobs(database: Database) -> Jobs:
    Ledger(database).add_collection("library")
    return Jobs(database)


@pytest.fixture
def job(jobs: Jobs, tmp_path: Path) -> Job:
    paths = [tmp_path / f"{name}.md" for name in "abc"]
    for path in paths:
        path.write_text("one two three")
    return jobs.add("library", "docs", items=[Source(path.as_uri(), path.name, path) for path in paths])


def test_a_paused_job_keeps_what_is_left_for_later(jobs: Jobs, job: Job) -> None:
    assert jobs.begin(job.id)
    assert jobs.claim_item(job.id) is not None

    assert jobs.pause(job.id).state == "paused"

    assert jobs.claim_item(job.id) is None
    assert jobs.next() is None
    assert not jobs.begin(job.id)
    assert jobs.resume(job.id).state == "queued"
    assert jobs.next() == jobs.get(job.id)


def test_a_paused_job_stays_so_when_its_last_document_ends(jobs: Jobs, job: Job) -> None:
    jobs.begin(job.id)
    jobs.pause(job.id)

    jobs.finish(job.id, "done")

    assert jobs.get(job.id).state == "paused"
    assert jobs.cancel(job.id).outcomes == {"cancelled": 3}


def test_a_waiting_job_tries_again_after_ever_longer_pauses(jobs: Jobs, job: Job) -> None:
    waits = []
    for _ in range(9):
        assert jobs.begin(job.id) or jobs.resume(job.id)
        jobs.wait(job.id, "no index")
        found = jobs.get(job.id)
        assert found.retry_at is not None
        waits.append((found.retry_at - datetime.now(UTC)).total_seconds())

    assert waits[0] == pytest.approx(2, abs=0.5)
    assert waits[1] == pytest.approx(4, abs=0.5)
    assert waits[-1] == pytest.approx(300, abs=0.5)
    assert jobs.next() is None
    assert jobs.next_retry_s() == pytest.approx(300, abs=1)
    assert jobs.get(job.id).problem == "no index"


def test_success_makes_the_next_wait_short_again(jobs: Jobs, job: Job) -> None:
    for _ in range(5):
        jobs.begin(job.id)
        jobs.wait(job.id, "no index")
    jobs.begin(job.id)
    item = jobs.claim_item(job.id)
    assert item is not None
    jobs.finish_item(job.id, item.position, "added", chunks=1)

    jobs.wait(job.id, "no index")

    assert jobs.next_retry_s() == pytest.approx(2, abs=0.5)


def test_progress_counts_what_was_finished_since_the_job_began(jobs: Jobs, job: Job) -> None:
    assert jobs.progress(job) is None
    jobs.begin(job.id)
    item = jobs.claim_item(job.id)
    assert item is not None
    jobs.finish_item(job.id, item.position, "added", stages={"parse": Work(0.2, 3), "encode": Work(0.5, 120)})

    progress = jobs.progress(jobs.get(job.id))

    assert progress is not None
    assert progress.documents_per_h > 0
    assert progress.tokens_per_s == pytest.approx(progress.documents_per_h / 3600 * 120)
    assert progress.eta_s == pytest.approx(2 * 3600 / progress.documents_per_h, rel=0.01)
    assert jobs.stages(job.id) == {"encode": Work(0.5, 120), "parse": Work(0.2, 3)}


def test_nothing_can_be_done_with_a_job_nobody_knows(jobs: Jobs) -> None:
    for act in (jobs.pause, jobs.resume, jobs.cancel, jobs.retry):
        with pytest.raises(UnknownJob, match="no job 'x'"):
            act("x")
