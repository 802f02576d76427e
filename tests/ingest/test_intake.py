"""From a place to documents: archives in parts, stores by their tags, and a sync that can be foreseen."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ingest.database import Database
from ingest.errors import NotAllowedHere, SourceGone
from ingest.intake import Intake
from ingest.jobs import Job, Jobs
from ingest.pipeline import Shelf
from ingest.places import Place, Selection
from ingest.plan import Plan, plan
from ingest.runner import Runner
from tests.ingest.conftest import read_lines, until

Run = Callable[..., Job]


@pytest.fixture
def run(database: Database, shelf: Shelf, intake: Intake) -> Iterator[Run]:
    """Ingests a place, to its end."""
    jobs = Jobs(database)
    runner = Runner(jobs, lambda _: shelf, read_lines, intake)
    runner.start()

    def run_it(root: Path | str, selection: Selection = Selection(), **options: Any) -> Job:  # noqa: B008
        job = jobs.add("library", str(root), root=root, selection=selection, **options)
        runner.wake()
        assert until(lambda: jobs.get(job.id).finished is not None)
        return jobs.get(job.id)

    yield run_it
    runner.stop()


@pytest.fixture
def foresee(shelf: Shelf, intake: Intake) -> Callable[[Path | str], Plan]:
    return lambda root: plan(Place(str(root)), "library", shelf.index.contract.recipe, intake, shelf.ledger)


@pytest.fixture
def store() -> Iterator[Any]:
    """fsspec's store in memory."""
    system = fsspec.filesystem("memory")
    system.rm("/", recursive=True)
    yield system
    system.rm("/", recursive=True)


def names(shelf: Shelf) -> list[str]:
    return [row.name for row in shelf.ledger.documents("library")[0] if row.version]


def write_zip(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"inner/{name}.md", text)


def test_the_files_of_an_archive_are_documents_of_their_own(tmp_path: Path, shelf: Shelf, run: Run) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    write_zip(folder / "both.zip", a="one two three", b="four five six")
    with tarfile.open(folder / "more.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("c.md")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"seven"))

    assert run(folder).outcomes == {"added": 3}
    assert names(shelf) == ["a.md", "b.md", "c.md"]
    assert run(folder).outcomes == {"unchanged": 3}


def test_what_leaves_an_archive_leaves_the_collection(tmp_path: Path, shelf: Shelf, run: Run) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    write_zip(folder / "both.zip", a="one two three", b="four five six")
    run(folder)
    write_zip(folder / "both.zip", a="one two three")

    assert run(folder, sync=True).outcomes == {"unchanged": 1, "removed": 1}
    assert names(shelf) == ["a.md"]


def test_globs_choose_and_a_sync_keeps_to_them(tmp_path: Path, shelf: Shelf, run: Run) -> None:
    folder = tmp_path / "docs"
    (folder / "drafts").mkdir(parents=True)
    for name in ("a.md", "b.txt", "drafts/c.md"):
        (folder / name).write_text(f"text of {name}")
    run(folder)
    chosen = Selection(include=("*.md",), exclude=("drafts/",))
    (folder / "a.md").unlink()

    assert run(folder, chosen, sync=True, force=True).outcomes == {"removed": 1}
    assert names(shelf) == ["b.txt", "c.md"]


def test_a_plan_foresees_what_a_sync_then_does(
    tmp_path: Path, run: Run, foresee: Callable[[Path | str], Plan], shelf: Shelf
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in "abcdef":
        (folder / f"{name}.md").write_text(f"text of {name}")
    run(folder)
    (folder / "a.md").write_text("another text")
    (folder / "b.md").unlink()
    (folder / "new.md").write_text("something new")
    (folder / "copy.md").write_text("text of c")
    write_zip(folder / "more.zip", inside="from an archive")
    (folder / "big.md").write_text("x" * 20_000)
    before = names(shelf)

    foreseen = foresee(folder)

    assert names(shelf) == before
    assert foreseen.counts == {"changed": 1, "unchanged": 4, "new": 2, "alias": 1, "gone": 1, "failed": 1}
    assert foreseen.refusal is None
    assert run(folder, sync=True).outcomes == {
        "changed": 1,
        "unchanged": 4,
        "added": 2,
        "alias": 1,
        "removed": 1,
        "failed": 1,
    }


def test_a_sync_that_would_remove_a_fifth_asks_for_force(
    tmp_path: Path, run: Run, foresee: Callable[[Path | str], Plan], shelf: Shelf
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.md").write_text(f"text {number}")
    run(folder)
    for number in range(6):
        (folder / f"{number}.md").unlink()

    refusal = foresee(folder).refusal
    stopped = run(folder, sync=True)

    assert refusal == stopped.problem
    assert refusal is not None
    assert refusal.startswith(f"6 of the 20 documents of {folder} are gone, more than 20%")
    assert stopped.state == "stopped"
    assert len(names(shelf)) == 20
    assert run(folder, sync=True, force=True).outcomes["removed"] == 6


def test_a_store_is_read_and_what_its_tags_say_is_unchanged_is_not_fetched(
    store: Any, shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe("/bucket/docs/a.md", b"one two three")
    store.pipe("/bucket/docs/deep/b.md", b"four five six")
    store.pipe("/bucket/other/c.md", b"seven")

    assert run("memory://bucket/docs").outcomes == {"added": 2}
    assert names(shelf) == ["a.md", "b.md"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fetched")

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "open", refuse)
        assert run("memory://bucket/docs").outcomes == {"unchanged": 2}
    store.pipe("/bucket/docs/a.md", b"one two four")
    store.rm("/bucket/docs/deep/b.md")
    assert run("memory://bucket/docs", sync=True).outcomes == {"changed": 1, "removed": 1}


def test_a_store_that_can_not_be_listed_removes_nothing(store: Any, shelf: Shelf, run: Run) -> None:
    store.pipe("/bucket/docs/a.md", b"one two three")
    run("memory://bucket/docs")
    store.rm("/bucket", recursive=True)

    stopped = run("memory://bucket/docs", sync=True)

    assert stopped.state == "stopped"
    assert names(shelf) == ["a.md"]


@pytest.mark.parametrize("root", ["https://example.com/a.pdf", "s3://bucket/docs", "file:///etc"])
def test_doors_are_closed_unless_somebody_opened_them(intake: Intake, root: str) -> None:
    with pytest.raises(NotAllowedHere, match=r"KALM_ALLOW_URLS|KALM_STORES"):
        intake.require_open(Place(root))


def test_a_folder_that_is_not_there_can_not_be_planned(
    tmp_path: Path, foresee: Callable[[Path | str], Plan]
) -> None:
    with pytest.raises(SourceGone, match=r"no such|not there"):
        foresee(tmp_path / "nowhere")
