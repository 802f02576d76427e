"""Library: found, selected, ingested again, deleted."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.client import Client
from tests.app.conftest import ingest
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def select(app: AppTest, *rows: int) -> None:
    key = app.dataframe[0].key
    assert key is not None
    app.session_state[key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    app.run()
    assert not app.exception, app.exception


def labelled(app: AppTest, label: str) -> list[str]:
    return [button.label for button in app.button if button.label.startswith(label)]


def test_filters_and_sorting_are_the_services(library: Client, open_page: Open) -> None:
    app = open_page("library")
    assert list(app.dataframe[0].value["Name"]) == ["akku.md", "battery.md", "bread.md"]

    app.toggle(key="descending").set_value(True).run()
    assert list(app.dataframe[0].value["Name"]) == ["bread.md", "battery.md", "akku.md"]
    app.selectbox(key="language").set_value("de").run()
    assert list(app.dataframe[0].value["Name"]) == ["akku.md"]
    app.pills(key="state").set_value("failed").run()
    assert app.info[0].value == "No document fits these filters."


def test_documents_to_be_deleted_are_named_in_a_question(library: Client, open_page: Open) -> None:
    app = open_page("library")
    select(app, 0, 2)

    next(button for button in app.button if button.label == "Delete (2)").click().run()
    assert [line.value for line in app.markdown if "akku" in line.value] == ["- akku\\.md"]
    assert [line.value for line in app.markdown if "bread" in line.value] == ["- bread\\.md"]
    assert not [line.value for line in app.markdown if "battery" in line.value]
    assert library.documents("library").total == 3  # the browser test goes on from here


def test_a_selection_never_slips_to_other_documents(library: Client, open_page: Open, tmp_path: Path) -> None:
    app = open_page("library")
    select(app, 0)
    assert labelled(app, "Delete") == ["Delete (1)"]

    (tmp_path / "documents" / "aaa.md").write_text("# First\n\nIt stands before the others.")
    ingest(library, tmp_path / "documents")
    app.run()

    assert labelled(app, "Delete") == []


def test_one_document_shows_where_it_is_from(library: Client, open_page: Open) -> None:
    app = open_page("library")
    select(app, 1)

    assert "documents/battery.md" in html(app)
    assert "<th>Recipe</th>" in html(app)


def test_documents_are_ingested_again_and_the_job_is_shown(library: Client, open_page: Open) -> None:
    app = open_page("library")
    select(app, 0, 1)

    next(button for button in app.button if button.label == "Ingest again (2)").click().run()

    assert not app.exception
    assert app.title[0].value == "Jobs"
    assert library.jobs()[0].source == "akku.md, battery.md"
