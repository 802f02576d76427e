"""Collections: what each promises, made, checked, repaired, deleted."""

import pytest

from app.client import Client
from app.schemas import Check, MissingPoints, UnknownPoints
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_contract_says_how_vectors_were_made(library: Client, open_page: Open) -> None:
    app = open_page("collections")

    shown = html(app)
    assert "fake-2" in shown
    assert "256, 64" in shown
    assert "windows: passages of" in shown
    assert {metric.label: metric.value for metric in app.metric}["Documents"] == "3"


def test_a_new_collection_is_offered_what_the_encoder_can_do(client: Client, open_page: Open) -> None:
    app = open_page("collections")
    app.button[0].click().run()

    # AppTest closes a dialog at the next run: the browser test goes on from here
    assert app.multiselect[0].label == "Short vectors stored beside those of 256 dimensions"
    assert list(app.multiselect[0].options) == ["128", "64"]
    assert list(app.segmented_control[0].options) == ["windows", "late chunking"]
    assert client.collections() == []


def test_a_sound_collection_is_told_so(library: Client, open_page: Open) -> None:
    app = open_page("collections")

    app.button(key="check-of-library").click().run()

    assert app.success[0].value == "Ledger and index agree: 3 passages."


def test_what_is_wrong_is_named_and_offered_for_repair(library: Client, open_page: Open) -> None:
    battery = next(one for one in library.documents("library").documents if one.name == "battery.md")
    app = open_page("collections")
    app.session_state["check-library"] = Check(
        consistent=False, repaired=False, versions=3, expected_points=4, points=8,
        missing=[MissingPoints(version="v", expected=2, found=1, documents=[battery.id], names=["<b>x"])],
        unknown=[UnknownPoints(version="w", points=5)], hidden=1, uncited=0,
    )  # fmt: skip
    app.run()

    said = " ".join(line.value for line in app.markdown).replace("\\", "")
    assert "<b>x: 1 of 2 passages are in the index" in said
    assert "5 passages in the index that belong to no document" in said
    app.button(key="repair-library").click().run()

    assert app.success[0].value == "Ledger and index agree: 3 passages."


def test_a_collection_does_not_go_by_one_click(library: Client, open_page: Open) -> None:
    app = open_page("collections")
    app.button(key="delete-library").click().run()

    assert app.button[-1].label == "Delete"
    assert app.button[-1].disabled
    assert len(library.collections()) == 1
