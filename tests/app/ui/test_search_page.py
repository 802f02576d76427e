"""The search page: filters, documents shown once, more like this, explained; all of it in the URL."""

import io
from uuid import uuid4

import pytest

from app.client import Client
from app.schemas import Labelled
from tests.app.conftest import wait
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def labelled(library: Client) -> Client:
    """Two more documents about batteries, with labels and dates."""
    for dept, year in (("hr", "2020"), ("law", "2024")):
        text = f"# Rules of {dept}\n\nThe battery of {dept} is charged at night.".encode()
        said = Labelled.model_validate({"labels": {"dept": dept}, "modified": f"{year}-05-01"})
        wait(library, library.upload("library", [(f"{dept}.md", io.BytesIO(text))], said).id)
    return library


def test_filters_come_from_the_url_and_count(labelled: Client, open_page: Open) -> None:
    app = open_page("search", q="battery", **{"label.dept": "hr"})

    assert "Rules of hr" in html(app)
    assert "Battery care" not in html(app)
    assert app.expander[0].label == "Filters (1 in use)"
    dept = next(one for one in app.multiselect if one.label == "dept")
    assert (dept.value, dept.options) == (["hr"], ["hr (1)", "law (1)"])

    dept.set_value(["law"]).run()
    assert "Rules of law" in html(app)
    assert "Rules of hr" not in html(app)
    assert app.query_params["label.dept"] == "law"

    dated = open_page("search", q="battery", since="2023-01-01", until="2025-12-31")
    assert "Rules of law" in html(dated)
    assert "Rules of hr" not in html(dated)


def test_choices_stand_in_the_url_as_themselves(labelled: Client, open_page: Open) -> None:
    app = open_page("search", q="Akku Winter", lang="de", ranking="lexical", dims="64", languages="de")

    assert [control.value for control in app.segmented_control] == ["lexical", "64"]
    assert any("64 Dimensionen" in caption.value for caption in app.caption)
    app.segmented_control[0].set_value("dense").run()
    assert app.query_params["ranking"] == "dense"
    app.segmented_control[0].set_value("hybrid").run()
    assert "ranking" not in app.query_params  # how the page begins

    unknown = open_page("search", q="battery", ranking="nonsense", languages="xx")
    assert not unknown.exception
    assert "Battery care" in html(unknown)


def test_a_document_is_shown_once_with_more_passages_behind_it(labelled: Client, open_page: Open) -> None:
    app = open_page("search", q="battery winter charge")

    assert html(app).count('<span class="kalm-title" dir="auto">Battery care</span>') == 1

    each = next(one for one in app.toggle if one.label == "Each document once")
    each.set_value(False).run()
    assert not app.exception


def test_more_like_a_passage_and_back(labelled: Client, open_page: Open) -> None:
    app = open_page("search", q="battery of hr")
    next(one for one in app.button if one.label == "More like this").click().run()

    assert app.subheader[0].value.startswith("Passages like this one from")
    assert "like" in app.query_params
    assert "kalm-passage opened" in html(app)
    captions = " ".join(caption.value for caption in app.caption)
    assert "searched in" in captions
    assert "encoded" not in captions

    shared = open_page("search", like=app.query_params["like"])
    assert shared.subheader[0].value == app.subheader[0].value

    next(one for one in app.button if one.label == "Back to the search").click().run()
    assert "like" not in app.query_params
    assert not app.subheader


def test_a_passage_that_is_gone_is_one_clear_line(labelled: Client, open_page: Open) -> None:
    app = open_page("search", like=f"{uuid4()}.0")
    assert "no document" in app.error[0].value.replace("\\", "")

    for nonsense in ("nobody.0", "", "../collections.0", f"{uuid4()}.x"):
        assert open_page("search", like=nonsense).caption[0].value


def test_a_search_is_explained_where_it_is_asked_for(labelled: Client, open_page: Open) -> None:
    plain = open_page("search", q="battery")
    assert "#1 (" not in " ".join(one.value.replace("\\", "") for one in plain.caption)

    app = open_page("search", q="battery", explain="true", variety="0.3")

    legs = " ".join(one.value.replace("\\", "") for one in app.caption)
    assert "meaning" in legs
    assert "variety" in legs
    table = html(app)
    for row in ("Candidates", "Compared dimensions", "Joined by", "Time"):
        assert row in table


def test_labels_are_said_at_upload(client: Client, open_page: Open) -> None:
    app = open_page("ingest")
    app.file_uploader[0].upload("note.md", b"# Note\n\nThe depot key hangs here.", "text/markdown").run()
    app.text_input("upload-labels").set_value("dept").run()
    assert "dept: say KEY=VALUE" in app.error[0].value.replace("\\", "")

    app.text_input("upload-labels").set_value("dept=hr, tag=a").run()
    app.button[0].click().run()
    assert not app.exception
    wait(client, client.jobs()[0].id)

    assert client.documents("library").documents[0].labels == {"dept": ["hr"], "tag": ["a"]}
