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


def test_a_collection_is_made_with_its_own_chunking(client: Client, open_page: Open) -> None:
    app = open_page("collections")
    app.button[0].click().run()

    app.text_input[0].input("small-parts")
    app.number_input[0].set_value(64)
    app.number_input[1].set_value(32)
    app.multiselect[0].set_value([128]).run()
    app.button[-1].click().run()

    assert not app.exception
    made = client.collections()[0]
    assert made.name == "small-parts"
    assert (made.chunking.chunk_tokens, made.chunking.window_tokens) == (64, 32)
    assert made.dims == [256, 128]


def test_a_bad_name_makes_no_collection(client: Client, open_page: Open) -> None:
    app = open_page("collections")
    app.button[0].click().run()
    app.text_input[0].input("Grüße").run()
    app.button[-1].click().run()

    assert "small letters" in app.error[0].value
    assert client.collections() == []


def test_a_sound_collection_is_told_so(library: Client, open_page: Open) -> None:
    app = open_page("collections")

    app.button(key="check-of-library").click().run()

    assert app.success[0].value == "Ledger and index agree: 4 passages."


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

    assert app.success[0].value == "Ledger and index agree: 4 passages."


def test_a_collection_goes_only_by_its_name(library: Client, open_page: Open) -> None:
    app = open_page("collections")
    app.button(key="delete-library").click().run()
    assert app.button[-1].disabled

    app.text_input[0].input("library").run()
    app.button[-1].click().run()

    assert library.collections() == []
    assert app.info[0].value.startswith("There is no collection yet.")
