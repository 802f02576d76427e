"""Named sources over HTTP: made, run, watched, refused, forgotten."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import Client, ServiceError
from app.keys import hash_key
from app.schemas import NamedSource, NewSource
from tests.app.conftest import Serve
from tests.ingest.conftest import until


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watched folders are looked at five times a second."""
    monkeypatch.setattr("ingest.keeper.POLL_S", 0.2)


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nwords of page {number}")
    return folder


def get(client: Client, name: str = "handbook") -> NamedSource:
    return next(source for source in client.sources() if source.name == name)


def synced(client: Client, **outcomes: int) -> bool:
    """Whether the last sync ends like this, within ten seconds."""

    def holds() -> bool:
        job = get(client).job
        return job is not None and job.finished is not None and job.outcomes == outcomes

    return until(holds)


def names(client: Client) -> set[str]:
    return {one.name for one in client.documents("library").documents}


@pytest.mark.usefixtures("_often")
def test_a_change_in_a_watched_folder_is_ingested_within_seconds(client: Client, handbook: Path) -> None:
    client.create_collection("library")

    made = client.put_source("handbook", NewSource(place=str(handbook), watch=True))
    assert (made.name, made.place, made.watch, made.job) == ("handbook", str(handbook), True, None)
    assert synced(client, added=8)
    (handbook / "new.md").write_text("# New\n\nabout bicycles")
    (handbook / "0.md").unlink()

    assert synced(client, unchanged=7, added=1, removed=1)
    assert names(client) == {"new.md", *(f"{number}.md" for number in range(1, 8))}
    source = get(client)
    assert (source.due, source.problem) == (None, None)


def test_a_restart_keeps_the_sources_and_their_times(
    serve: Serve, connect: Callable[..., Client], handbook: Path, tmp_path: Path
) -> None:
    import shutil

    first = connect(serve())
    first.create_collection("library")
    body = NewSource(place=str(handbook), every_s=3600, include=["*.md"], exclude=["7.md"])
    first.put_source("handbook", body)
    assert synced(first, added=7)

    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    second = connect(serve(data_dir=tmp_path / "copy"))

    assert second.sources() == first.sources()
    source = get(second)
    assert source.model_dump(include=set(NewSource.model_fields)) == body.model_dump()
    assert source.due is not None
    assert source.job is not None
    assert 3590 < (source.due - source.job.created).total_seconds() < 3610


@pytest.mark.usefixtures("_often")
def test_a_vanished_folder_is_the_source_s_problem_and_removes_nothing(
    client: Client, handbook: Path
) -> None:
    client.create_collection("library")
    client.put_source("handbook", NewSource(place=str(handbook), watch=True))
    assert synced(client, added=8)

    handbook.rename(handbook.with_name("away"))

    assert until(lambda: get(client).problem is not None)
    assert "no such file or folder" in str(get(client).problem)
    with pytest.raises(ServiceError, match="no such file or folder"):
        client.run_source("handbook")
    assert len(names(client)) == 8

    handbook.with_name("away").rename(handbook)
    assert until(lambda: get(client).problem is None)


def test_a_refused_sync_is_the_source_s_problem_until_it_is_forced(client: Client, handbook: Path) -> None:
    client.create_collection("library")
    client.put_source("handbook", NewSource(place=str(handbook)))
    assert get(client).due is None
    client.run_source("handbook")
    assert synced(client, added=8)
    for number in range(6):
        (handbook / f"{number}.md").unlink()

    client.run_source("handbook")

    assert until(lambda: get(client).problem is not None)
    assert "6 of the 8 documents" in str(get(client).problem)
    assert len(names(client)) == 8
    client.run_source("handbook", force=True)
    assert synced(client, unchanged=2, removed=6)
    assert get(client).problem is None


def test_a_source_is_forgotten_and_its_documents_stay(client: Client, handbook: Path) -> None:
    client.create_collection("library")
    client.put_source("handbook", NewSource(place=str(handbook), every_s=60))
    assert synced(client, added=8)

    client.delete_source("handbook")

    assert client.sources() == []
    assert len(names(client)) == 8
    for call in (client.delete_source, client.run_source):
        with pytest.raises(ServiceError, match="no source 'handbook'") as raised:
            call("handbook")
        assert (raised.value.status, raised.value.code) == (404, "source_not_found")


def test_a_deleted_collection_takes_its_sources_along(client: Client, handbook: Path) -> None:
    client.create_collection("library")
    client.put_source("handbook", NewSource(place=str(handbook), watch=True))
    assert synced(client, added=8)

    client.delete_collection("library")

    assert client.sources() == []


@pytest.mark.parametrize(
    ("name", "body", "status", "message"),
    [
        ("handbook", {"every_s": 59}, 400, "every_s: Input should be greater than or equal to 60"),
        ("Hand book", {}, 400, "name: String should match pattern"),
        ("handbook", {"collection": "none"}, 404, "no collection 'none'"),
        ("handbook", {"place": "nowhere/at/all"}, 403, "is not below a folder named in KALM_INGEST_ROOTS"),
        ("handbook", {"place": "https://example.org/"}, 403, "URLs are not fetched here"),
    ],
)
def test_a_source_that_could_never_be_synced_is_refused(
    name: str,
    body: dict[str, Any],
    status: int,
    message: str,
    serve: Serve,
    connect: Callable[..., Client],
    handbook: Path,
) -> None:
    client = connect(serve(ingest_roots=[handbook]))
    client.create_collection("library")

    response = httpx.put(f"{client.url}/v1/sources/{name}", json={"place": str(handbook), **body})

    assert response.status_code == status
    assert message in response.json()["error"]["message"]
    assert client.sources() == []


def test_only_folders_are_watched(serve: Serve, connect: Callable[..., Client]) -> None:
    client = connect(serve(allow_urls=True))
    client.create_collection("library")

    with pytest.raises(ServiceError, match="only folders can be watched"):
        client.put_source("page", NewSource(place="https://example.org/", watch=True))


def test_a_folder_that_may_no_longer_be_read_is_not(
    serve: Serve, connect: Callable[..., Client], handbook: Path, tmp_path: Path
) -> None:
    import shutil

    first = connect(serve())
    first.create_collection("library")
    first.put_source("handbook", NewSource(place=str(handbook), watch=True))
    assert synced(first, added=8)

    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    (tmp_path / "other").mkdir()
    second = connect(serve(data_dir=tmp_path / "copy", ingest_roots=[tmp_path / "other"]))
    (handbook / "new.md").write_text("# New")

    assert until(lambda: get(second).problem is not None)
    assert "is not below a folder named in KALM_INGEST_ROOTS" in str(get(second).problem)
    with pytest.raises(ServiceError, match="is not below a folder") as raised:
        second.run_source("handbook")
    assert raised.value.status == 403
    assert len(names(second)) == 8


def test_sources_are_for_admins(serve: Serve, connect: Callable[..., Client], handbook: Path) -> None:
    url = serve(api_keys=f"admin:{hash_key('a')},editor:{hash_key('e')}")
    admin, editor = connect(url, "a"), connect(url, "e")
    admin.create_collection("library")
    body = NewSource(place=str(handbook))
    admin.put_source("handbook", body)

    for call in (
        editor.sources,
        lambda: editor.put_source("handbook", body),
        lambda: editor.run_source("handbook"),
        lambda: editor.delete_source("handbook"),
    ):
        with pytest.raises(ServiceError, match="this needs the role 'admin'"):
            call()
    assert [source.name for source in admin.sources()] == ["handbook"]
