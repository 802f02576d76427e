"""The sources of a collection on its page: what is shown of them, and what the buttons do."""

from pathlib import Path

import pytest

from app.client import Client
from app.keys import hash_key
from app.schemas import NewSource
from app.ui.session import client as cached_client
from tests.app.conftest import Serve, wait
from tests.app.ui.conftest import Open
from tests.ingest.conftest import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def handbook(client: Client, tmp_path: Path) -> Path:
    """A folder of eight files, all in "library"; its source is only ever synced by hand."""
    folder = tmp_path / "handbook"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nwords of page {number}")
    client.create_collection("library")
    client.put_source("handbook", NewSource(place=str(folder), exclude=["drafts/"]))
    wait(client, client.run_source("handbook").id)
    return folder


UNSEEN = str.maketrans("", "", "\\\u2068\u2069")


def said(app: object) -> str:
    elements = [*app.caption, *app.markdown, *app.warning, *app.error]  # type: ignore[attr-defined]
    return " ".join(element.value for element in elements).translate(UNSEEN)


def test_a_source_shows_where_it_is_and_what_came_of_the_last_sync(handbook: Path, open_page: Open) -> None:
    shown = said(open_page("collections"))

    assert str(handbook) in shown
    assert "only by hand · Leave out: drafts/" in shown
    assert "last sync 20" in shown
    assert "added: 8" in shown


def test_a_dry_run_says_what_a_sync_would_do_and_a_sync_does_it(
    client: Client, handbook: Path, open_page: Open
) -> None:
    (handbook / "new.md").write_text("# New\n\nbicycles")
    (handbook / "0.md").unlink()
    app = open_page("collections")

    app.button(key="look-handbook").click().run()

    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["new"], shown["gone from there"]) == ("1", "1")
    assert client.documents("library").total == 8
    app.button(key="run-handbook").click().run()
    assert until(lambda: "new.md" in {one.name for one in client.documents("library").documents})
    assert until(lambda: client.sources()[0].job.outcomes == {"added": 1, "removed": 1, "unchanged": 7})


def test_a_sync_that_would_be_refused_is_forced_from_its_dry_run(
    client: Client, handbook: Path, open_page: Open
) -> None:
    for number in range(6):
        (handbook / f"{number}.md").unlink()
    app = open_page("collections")
    app.button(key="look-handbook").click().run()
    assert "6 of the 8 documents" in said(app)

    app.button(key="force-handbook").click().run()

    assert until(lambda: client.documents("library").total == 2)


def test_a_problem_is_shown_with_its_source(client: Client, handbook: Path, open_page: Open) -> None:
    client.put_source("handbook", NewSource(place=str(handbook), watch=True))
    handbook.rename(handbook.with_name("away"))
    assert until(lambda: client.sources()[0].problem is not None)

    shown = said(open_page("collections"))

    assert "no such file or folder" in shown
    assert "watched" in shown


def test_who_may_not_see_sources_sees_the_collections(
    serve: Serve, open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(data_dir=tmp_path / "other", api_keys=f"admin:{hash_key('a')},reader:{hash_key('r')}")
    with Client(url, "a") as admin:
        admin.create_collection("library")
        monkeypatch.setenv("KALM_URL", admin.url)
    monkeypatch.setenv("KALM_API_KEY", "r")
    cached_client.clear()

    app = open_page("collections")

    assert [header.value for header in app.subheader] == ["library"]
    assert [button.label for button in app.button if "sync" in button.label] == []
