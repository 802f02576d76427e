"""Ingest: what would happen is shown before it does, and nothing is stored by looking."""

import re
from pathlib import Path

import pytest

from app.client import Client
from tests.app.conftest import ingest, wait
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_dropped_files_say_what_would_become_of_them(library: Client, open_page: Open) -> None:
    app = open_page("ingest")
    app.file_uploader[0].upload("note.md", b"# Note\n\nThe depot key hangs behind the door.", "text/plain")
    app.file_uploader[0].upload("<b>copy.md", b"# Note\n\nThe depot key hangs behind the door.", "text/plain")
    app.file_uploader[0].upload("empty.txt", b"", "text/plain").run()

    rows = app.dataframe[0].value
    assert list(rows["What would happen"]) == ["new", "same content as another", "refused"]
    assert list(rows["Same content as"]) == ["", "note.md", ""]
    assert "empty.txt is empty (0 bytes)" in html(app)
    assert [button.label for button in app.button if "files" in button.label] == ["Ingest 2 files"]
    assert library.documents("library").total == 3


def test_a_preview_shows_passages_with_their_tokens_before_anything_is_stored(
    library: Client, open_page: Open
) -> None:
    app = open_page("ingest")
    app.file_uploader[0].upload("note.txt", b"The <b>depot</b> key hangs here.", "text/plain").run()

    app.selectbox(key="look-1").select(0).run()

    assert not app.exception
    assert re.search(r"\d+ of \d+ tokens", html(app))
    assert "&lt;b&gt;depot" in html(app)
    assert "1 passages of" in " ".join(caption.value for caption in app.caption)
    assert library.documents("library").total == 3


def test_a_folders_plan_is_shown_and_nothing_written(
    library: Client, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    (folder / "new.md").write_text("# New\n\nSomething else.")
    (folder / "notes.txt").write_text("Left out by the glob.")
    app = open_page("ingest")

    app.text_input(key="place").input(str(folder))
    app.text_input(key="include").input("*.md, *.rst").run()
    next(button for button in app.button if button.label == "Show what would happen").click().run()

    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric} == {"new": "1", "unchanged": "3"}
    assert "new.md" in html(app)
    assert "notes.txt" not in html(app)
    assert len(library.jobs()) == 1


def test_a_sync_that_removes_too_much_is_refused_and_can_be_forced(
    client: Client, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.md").write_text(f"# Number {number}\n\nText of {number}.")
    ingest(client, folder)
    for number in range(7):
        (folder / f"{number}.md").unlink()
    app = open_page("ingest")
    app.text_input(key="place").input(str(folder))
    app.toggle(key="sync").set_value(True).run()
    next(button for button in app.button if button.label == "Show what would happen").click().run()

    assert "sync with force" in app.warning[-1].value
    app.toggle(key="force").set_value(True).run()
    next(button for button in app.button if button.label == "Ingest").click().run()

    assert not app.exception
    assert wait(client, client.jobs()[0].id) == {"removed": 7, "unchanged": 1}


def test_a_name_no_collection_can_have_is_told_so(library: Client, open_page: Open) -> None:
    app = open_page("ingest", collection="My <Docs>")

    assert "small letters" in app.error[0].value
