"""Jobs: how each stands, what became of its documents, and what can be done about it."""

from pathlib import Path

import pytest

from app.client import Client
from app.schemas import Job
from app.ui.jobs import actions
from tests.app.conftest import ingest
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_job_tells_its_stages_and_why_a_document_failed(
    library: Client, open_page: Open, tmp_path: Path
) -> None:
    (tmp_path / "documents" / "<i>empty.txt").write_text("")
    ingest(library, tmp_path / "documents")
    newest = library.jobs()[0]

    app = open_page("jobs", job=newest.id)

    assert "4 of 4 documents" in [bar.proto.text for bar in app.get("progress")]
    assert "&lt;i&gt;empty.txt is empty (0 bytes)" in html(app)
    assert "battery.md" not in html(app)  # the failed ones come first
    app.pills(key=f"outcome-{newest.id}").set_value("unchanged").run()
    assert "battery.md" in html(app)


def test_stages_are_told_with_their_work(library: Client, open_page: Open) -> None:
    app = open_page("jobs", job=library.jobs()[0].id)

    assert "<th>encode</th>" in html(app)
    assert "tokens" in html(app)
    assert "bread.md" in html(app)


def test_details_are_fetched_only_when_they_are_opened(library: Client, open_page: Open) -> None:
    app = open_page("jobs")
    assert "bread.md" not in html(app)

    app.session_state[f"open-{library.jobs()[0].id}"] = True
    app.run()

    assert "bread.md" in html(app)


def test_what_failed_can_be_tried_again(library: Client, open_page: Open, tmp_path: Path) -> None:
    file = tmp_path / "documents" / "late.txt"
    file.write_text("")
    ingest(library, tmp_path / "documents")
    file.write_text("Now there is a text.")

    app = open_page("jobs")
    app.button(key=f"retry-{library.jobs()[0].id}").click().run()

    assert not app.exception
    for _ in range(100):
        if library.jobs()[0].outcomes.get("added") == 1:
            return
        app.run()
    raise AssertionError(library.jobs()[0])


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("running", ["pause", "cancel"]),
        ("paused", ["resume", "cancel"]),
        ("waiting", ["pause", "resume", "cancel"]),
        ("stopped", ["retry"]),
        ("done", []),
    ],
)
def test_only_what_helps_is_offered(library: Client, state: str, offered: list[str]) -> None:
    job = Job.model_validate({**library.jobs()[0].model_dump(), "state": state})

    assert list(actions(job)) == offered


def test_a_service_without_jobs_says_what_to_do_next(open_page: Open) -> None:
    assert open_page("jobs").info[0].value == "Nothing was ingested yet."
