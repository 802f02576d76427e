"""The training page against a real service and a tiny model."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.client import Client
from tests.app.adaptation.test_trainings import is_built, is_done, new, until, write_words
from tests.app.conftest import ingest
from tests.app.ui.conftest import Open, html
from tests.training.conftest import save_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("base") / "tiny", "qwen2")


@pytest.fixture
def words(client: Client, tmp_path: Path) -> Client:
    write_words(tmp_path / "documents")
    ingest(client, tmp_path / "documents")
    return client


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.button if one.label == label)


def test_an_order_that_can_not_be_done_says_why(words: Client, open_page: Open) -> None:
    app = open_page("training")
    assert app.title[0].value == "An encoder of your own"
    assert "Nothing was trained" in " ".join(one.value for one in app.caption)
    assert app.radio[0].disabled  # no language model is set up

    button(app, "Start").click().run()
    assert "name a model as the base" in app.error[0].value.replace("\\", "")

    app.text_input[0].set_value("no such/name").run()
    button(app, "Start").click().run()
    assert "is no name for a model" in app.error[0].value
    assert words.trainings() == []


def test_a_training_is_compared_indexed_used_and_taken_back(
    words: Client, open_page: Open, base: Path
) -> None:
    training = words.train(new(base)).id
    until(words, training, is_done)
    app = open_page("training")
    assert "tuned ← tiny" in " ".join(one.value for one in app.markdown)
    assert "4 steps of" in html(app)
    verdicts = [one.value for one in (*app.success, *app.info, *app.error)]
    assert any("points" in one and "at 32 dimensions" in one for one in verdicts)
    assert len(app.get("arrow_vega_lite_chart") or app.get("vega_lite_chart")) == 4

    button(app, "Build its index").click().run()
    until(words, training, is_built)
    app.run()
    assert any("sentences" in one.value and "find their document" in one.value for one in app.caption)
    button(app, "Use it for searches").click().run()
    assert not app.exception
    assert words.collections()[0].encoder == "tuned"
    assert "Searches here use this model." in [one.value for one in app.success]

    button(app, "Back to the encoder before").click().run()
    assert not app.exception
    assert words.collections()[0].encoder == "fake"

    open_page("training", lang="ar")
