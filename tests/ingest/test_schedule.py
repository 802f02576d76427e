"""Named sources: when they are synced, what keeps them from it, and what a restart keeps."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.database import Database
from ingest.errors import SourceBusy, SourceGone, UnknownSource
from ingest.intake import Intake
from ingest.jobs import Job, Jobs
from ingest.keeper import PATIENCE, Keeper
from ingest.pipeline import Shelf
from ingest.places import Place, Selection
from ingest.runner import Runner
from ingest.schedule import NamedSource, Schedule
from ingest.sources import list_files, mark_of
from tests.ingest.conftest import read_lines, until

HOUR_S = 3600


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(database: Database, shelf: Shelf) -> Jobs:
    return Jobs(database)


@pytest.fixture
def schedule(database: Database) -> Schedule:
    return Schedule(database)


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """A folder of ten documents."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number:02}.md").write_text(f"# Page {number}\n\nwords of page {number}")
    return folder


@pytest.fixture
def keeper(schedule: Schedule, jobs: Jobs, clock: Clock) -> Keeper:
    return keeper_of(schedule, jobs, clock)


def keeper_of(schedule: Schedule, jobs: Jobs, clock: Clock) -> Keeper:
    def queue(source: NamedSource, force: bool) -> Job:
        place = source.place
        return jobs.add(
            source.collection,
            place.root,
            root=place.root,
            selection=place.selection,
            sync=True,
            force=force,
        )

    def allow(place: Place) -> Place:
        return place

    return Keeper(schedule, jobs, queue, allow, clock)


@pytest.fixture
def work(jobs: Jobs, shelf: Shelf, intake: Intake) -> Iterator[Callable[[], Job]]:
    """Does what is queued; returns the newest job."""
    runner = Runner(jobs, lambda _: shelf, read_lines, intake)
    runner.start()

    def until_done() -> Job:
        runner.wake()
        assert until(lambda: all(job.finished for job in jobs.latest()))
        return jobs.latest(1)[0]

    yield until_done
    runner.stop()


def put(
    schedule: Schedule, clock: Clock, folder: Path, *, every_s: int | None = None, watch: bool = False
) -> None:
    place = Place(str(folder))
    schedule.put("handbook", "library", place, every_s=every_s, watch=watch, now=clock())


def test_a_source_is_synced_at_once_and_then_at_its_interval(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)

    keeper.look()
    assert work().outcomes == {"added": 10}
    (handbook / "00.md").unlink()
    clock.pass_s(HOUR_S - 1)
    keeper.look()
    assert len(jobs.latest()) == 1
    clock.pass_s(1)
    keeper.look()

    assert work().outcomes == {"unchanged": 9, "removed": 1}
    assert schedule.get("handbook").due == clock() + timedelta(hours=1)


def test_a_restart_keeps_the_schedule(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
    database: Database,
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)
    keeper.look()
    work()
    due = schedule.get("handbook").due

    restarted = Schedule(database)
    keeper = keeper_of(restarted, jobs, clock)
    keeper.look()
    assert (restarted.get("handbook").due, len(jobs.latest())) == (due, 1)

    clock.pass_s(5 * HOUR_S)  # the machine was off at four of its times: it is synced once
    keeper.look()
    work()
    keeper.look()
    assert restarted.get("handbook").due == clock() + timedelta(hours=1)
    assert jobs.latest(1)[0].outcomes == {"unchanged": 10}


def test_a_source_whose_job_is_unfinished_is_not_queued_again(
    schedule: Schedule, keeper: Keeper, clock: Clock, jobs: Jobs, handbook: Path
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)
    keeper.look()
    (job,) = jobs.latest()

    for change in (jobs.begin, jobs.pause, jobs.resume):
        change(job.id)
        clock.pass_s(2 * HOUR_S)
        keeper.look()
        with pytest.raises(SourceBusy, match=f"handbook is being synced: wait for job {job.id}"):
            keeper.run("handbook")
    assert len(jobs.latest()) == 1

    jobs.cancel(job.id)
    keeper.look()
    assert len(jobs.latest()) == 2


def test_a_watched_folder_is_synced_once_it_has_been_quiet_for_a_look(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
) -> None:
    put(schedule, clock, handbook, watch=True)
    keeper.look()
    first = work()
    assert first.outcomes == {"added": 10}
    for _ in range(3):
        keeper.look()
    assert jobs.latest() == [first]

    for content in ("# A", "# A\n\nlong", "# A\n\nlonger"):  # it is being written
        (handbook / "new.md").write_text(content)
        keeper.look()
    assert jobs.latest() == [first]
    keeper.look()

    assert work().outcomes == {"unchanged": 10, "added": 1}


def test_a_watched_folder_that_never_rests_is_synced_all_the_same(
    schedule: Schedule, keeper: Keeper, clock: Clock, jobs: Jobs, handbook: Path
) -> None:
    put(schedule, clock, handbook, watch=True)
    keeper.look()
    jobs.cancel(jobs.latest()[0].id)

    for number in range(PATIENCE + 1):
        assert len(jobs.latest()) == 1
        (handbook / "log.txt").write_text("line\n" * number)
        keeper.look()

    assert len(jobs.latest()) == 2


def test_what_changed_in_a_watched_folder_while_nobody_looked_is_noticed_after_a_restart(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
) -> None:
    put(schedule, clock, handbook, watch=True)
    keeper.look()
    work()
    (handbook / "00.md").write_text("# Page 0\n\nother words")

    restarted = keeper_of(schedule, jobs, clock)
    restarted.look()
    restarted.look()

    assert work().outcomes == {"unchanged": 9, "changed": 1}


@pytest.mark.parametrize("watch", [True, False])
def test_a_vanished_folder_is_the_source_s_problem_and_nothing_is_removed(
    watch: bool,
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
    shelf: Shelf,
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S, watch=watch)
    keeper.look()
    work()

    handbook.rename(handbook.with_name("away"))
    clock.pass_s(HOUR_S)
    for _ in range(3):
        keeper.look()
        work()
    source = schedule.get("handbook")
    problem = source.problem or jobs.get(source.job or "").problem
    assert problem == f"{handbook}: no such file or folder on the machine the service runs on"
    assert source.due == clock() + timedelta(hours=1)
    assert shelf.ledger.counts("library")[0] == 10

    handbook.with_name("away").rename(handbook)
    clock.pass_s(HOUR_S)
    keeper.look()
    assert work().outcomes == {"unchanged": 10}
    source = schedule.get("handbook")
    assert source.problem is None


def test_an_emptied_folder_is_refused_until_it_is_full_again_or_somebody_forces_it(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    work: Callable[[], Job],
    handbook: Path,
    tmp_path: Path,
    shelf: Shelf,
) -> None:
    put(schedule, clock, handbook, watch=True)
    keeper.look()
    work()

    shutil.copytree(handbook, tmp_path / "copy")
    for path in handbook.iterdir():
        path.unlink()
    keeper.look()
    keeper.look()
    refused = work()
    assert refused.state == "stopped"
    assert refused.problem is not None
    assert "is empty: its 10 documents were kept, in case a disk is missing" in refused.problem
    keeper.look()
    keeper.look()
    assert work() == refused  # not again while nothing changes

    shutil.copytree(tmp_path / "copy", handbook, dirs_exist_ok=True)
    keeper.look()
    keeper.look()
    assert work().outcomes == {"unchanged": 10}

    for path in sorted(handbook.iterdir())[:6]:
        path.unlink()
    keeper.run("handbook")
    assert "6 of the 10 documents" in str(work().problem)
    keeper.run("handbook", force=True)
    assert work().outcomes == {"unchanged": 4, "removed": 6}
    assert shelf.ledger.counts("library")[0] == 4


def test_one_broken_source_does_not_stop_the_others(
    schedule: Schedule,
    clock: Clock,
    jobs: Jobs,
    handbook: Path,
) -> None:
    def queue(source: NamedSource, force: bool) -> Job:
        if source.name == "broken":
            raise RuntimeError("never seen before")
        return jobs.add("library", source.name, root=source.place.root, sync=True, force=force)

    for name in ("broken", "sound"):
        schedule.put(name, "library", Place(str(handbook)), every_s=HOUR_S, watch=False, now=clock())

    Keeper(schedule, jobs, queue, lambda place: place, clock).look()

    assert [job.source for job in jobs.latest()] == ["sound"]
    broken = schedule.get("broken")
    assert broken.problem == "unexpected RuntimeError: never seen before; the service's log has the details"
    assert broken.due == clock() + timedelta(hours=1)


def test_only_what_happened_is_kept_of_earlier_syncs(
    schedule: Schedule,
    keeper: Keeper,
    clock: Clock,
    jobs: Jobs,
    work: Callable[[], Job],
    handbook: Path,
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)
    keeper.look()
    first = work()
    for hour in range(4):
        if hour == 2:
            (handbook / "new.md").write_text("# New")
        clock.pass_s(HOUR_S)
        keeper.look()
        work()

    outcomes = [job.outcomes for job in jobs.latest()]
    assert outcomes == [{"unchanged": 11}, {"added": 1}, {"added": 10}]
    assert jobs.latest()[-1].id == first.id


def test_a_source_run_by_hand_only_is_never_due(
    schedule: Schedule, keeper: Keeper, clock: Clock, jobs: Jobs, handbook: Path
) -> None:
    put(schedule, clock, handbook)
    clock.pass_s(1000 * HOUR_S)
    keeper.look()
    assert jobs.latest() == []

    job = keeper.run("handbook")

    assert job.sync
    assert schedule.get("handbook").job == job.id


def test_a_replaced_source_is_due_at_once_and_does_not_run_beside_its_old_self(
    schedule: Schedule, keeper: Keeper, clock: Clock, jobs: Jobs, handbook: Path, tmp_path: Path
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)
    keeper.look()
    (old,) = jobs.latest()

    chosen = Place(str(tmp_path), Selection(("*.md",), ("drafts/",)))
    schedule.put("handbook", "library", chosen, every_s=None, watch=True, now=clock())
    keeper.look()
    assert jobs.latest() == [old]
    jobs.cancel(old.id)
    keeper.look()

    assert jobs.latest(1)[0].place == chosen


def test_a_deleted_collection_takes_its_sources_along(
    schedule: Schedule, keeper: Keeper, clock: Clock, jobs: Jobs, handbook: Path, shelf: Shelf
) -> None:
    put(schedule, clock, handbook, every_s=HOUR_S)
    keeper.look()

    shelf.ledger.remove_collection("library")

    assert (schedule.sources(), jobs.latest()) == ([], [])
    keeper.look()
    with pytest.raises(UnknownSource, match="no source 'handbook'"):
        keeper.run("handbook")


def test_a_mark_changes_with_names_sizes_and_times_of_what_would_be_listed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.md").write_text("one")
    chosen = Selection(("*.md",), ("drafts/",))
    marks = [mark_of(tmp_path, chosen)]

    def changed() -> bool:
        marks.append(mark_of(tmp_path, chosen))
        return marks[-1] != marks[-2]

    for number, folder in enumerate((".git", "drafts")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "b.md").write_text(str(number))
    (tmp_path / "b.txt").write_text("one")
    (tmp_path / "~$a.md").write_text("one")
    (tmp_path / "link.md").symlink_to(tmp_path / "b.txt")
    assert not changed()
    (tmp_path / "deep" / "a.md").write_text("other")
    assert changed()
    os.utime(tmp_path / "deep" / "a.md", ns=(0, 1))
    assert changed()
    (tmp_path / "deep").rename(tmp_path / "deeper")
    assert changed()
    (tmp_path / "deeper" / "a.md").unlink()
    assert changed()
    assert list(list_files(tmp_path, chosen)) == []
    with pytest.raises(SourceGone, match="no such file or folder"):
        mark_of(tmp_path / "none")


def test_files_are_listed_before_the_folders_beside_them_each_by_name(tmp_path: Path) -> None:
    for path in ("b/z.md", "b/a/c.md", "z.md", "a/b.md", "c.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("text")

    listed = [source.path.relative_to(tmp_path).as_posix() for source in list_files(tmp_path)]

    assert listed == ["c.md", "z.md", "a/b.md", "b/z.md", "b/a/c.md"]
