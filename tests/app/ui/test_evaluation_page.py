"""The evaluation page against a real service."""

import io
import time

import pytest
from streamlit.testing.v1 import AppTest

from app.client import Client
from app.evaluation.schemas import NewRuns, Run
from tests.app.conftest import WAIT_S
from tests.app.ui.conftest import Open, html

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SET = b"query,document,language\nwhere does the battery go,battery.md,en\nkalt Winter Akku,akku.md,de\n"


@pytest.fixture
def evaluated(library: Client) -> Client:
    """A service with a query set and three runs of it."""
    library.import_set("my-set", [("my-set.csv", io.BytesIO(SET))])
    wait(library, library.evaluate(NewRuns(query_set="my-set", rankings=["dense"], dims=[256, 64])))
    wait(library, library.evaluate(NewRuns(query_set="my-set", rankings=["lexical"])))
    return library


def wait(client: Client, runs: list[Run]) -> None:
    deadline = time.monotonic() + WAIT_S
    while any(client.run(run.id).run.state in ("queued", "running") for run in runs):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_queries_the_page_says_how_to_get_some(library: Client, open_page: Open) -> None:
    app = open_page("evaluation")

    assert app.title[0].value == "How good is search?"
    assert app.info[0].value.startswith("There are no queries yet.")


def test_a_set_made_from_the_documents_can_be_evaluated(library: Client, open_page: Open) -> None:
    app = open_page("evaluation")
    app.text_input(key="set-name").set_value("own").run()
    button(app, "From the documents").click().run()
    assert not app.exception
    assert "made from the documents" in " ".join(one.value for one in app.caption)

    button(app, "Evaluate").click().run()

    assert not app.exception
    assert [run.ranking for run in library.runs()] == ["hybrid"]
    wait(library, library.runs())
    app.run()
    assert list(app.dataframe[0].value["nDCG@10"])


def test_runs_are_a_table_a_heat_map_and_a_curve(evaluated: Client, open_page: Open) -> None:
    app = open_page("evaluation", set="my-set")

    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 3
    assert [name.split(" · ")[0] for name in table["Ranked by"]] == ["words", "meaning", "meaning"]
    assert len(app.get("arrow_vega_lite_chart") or app.get("vega_lite_chart")) == 2
    assert "Bias to the query’s language, in points" in [metric.label for metric in app.metric]


def test_a_comparison_links_each_changed_query_to_the_search(evaluated: Client, open_page: Open) -> None:
    newest, *_, oldest = evaluated.runs()
    found = evaluated.compare(oldest.id, newest.id)

    app = open_page("evaluation", set="my-set", run=newest.id, before=oldest.id)

    counts = {metric.label: metric.value for metric in app.metric}
    assert counts["Won"] == str(found.won)
    assert counts["Tied"] == str(found.tied)
    assert len(app.get("page_link")) == len(found.biggest)


def test_the_page_is_complete_in_a_language_written_from_the_right(
    evaluated: Client, open_page: Open
) -> None:
    app = open_page("evaluation", set="my-set", lang="ar")

    assert not app.exception
    assert app.title[0].value == "ما مدى جودة البحث؟"


def test_a_thumb_on_a_hit_is_kept(library: Client, open_page: Open) -> None:
    app = open_page("search", q="where does the battery go")
    assert "Battery care" in html(app)

    app.feedback[0].set_value(1).run()

    assert not app.exception
    from app.evaluation.schemas import NewQuerySet

    assert library.make_set(NewQuerySet(name="thumbs", origin="feedback")).queries == 1


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.button if one.label == label)
