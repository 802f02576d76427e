"""Query sets, runs, comparisons and thumbs, through the service."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from app.evaluation.schemas import Feedback, NewQuerySet, NewRuns, Run
from app.schemas import SearchRequest
from tests.app.conftest import WAIT_S, Serve, ingest
from tests.app.test_preview import upload

SET = b"""query,document,language
where does the battery want to be,battery.md,en
bread from flour and water,Bread,en
winter Akku kalt,akku,de
"""


def add(client: Client, name: str, content: bytes) -> None:
    client.import_set(name, [(f"{name}.csv", io.BytesIO(content))])


def finished(client: Client, new: NewRuns) -> list[Run]:
    begun = client.evaluate(new)
    deadline = time.monotonic() + WAIT_S
    while any(client.run(run.id).run.state in ("queued", "running") for run in begun):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [client.run(run.id).run for run in begun]


def test_a_run_keeps_its_settings_and_figures(library: Client) -> None:
    add(library, "my-set", SET)

    (run,) = finished(library, NewRuns(query_set="my-set"))

    assert (run.state, run.done, run.total, run.missing, run.left_out) == ("done", 3, 3, 0, 0)
    assert (run.ranking, run.dim, run.exact, run.encoder) == ("hybrid", 256, False, "fake")
    assert run.fingerprint == library.collections()[0].fingerprint
    assert run.report is not None
    assert run.report.overall.values["ndcg_at_10"].value == 1
    assert [(one.query_language, one.queries) for one in run.report.languages] == [("de", 1), ("en", 2)]
    assert [(one.query_language, one.document_language) for one in run.report.pairs] == [
        ("de", "de"),
        ("en", "en"),
    ]


def test_documents_are_known_by_name_stem_and_title(library: Client) -> None:
    add(library, "my-set", SET)
    (run,) = finished(library, NewRuns(query_set="my-set"))

    asked = {one.text: one for one in library.run(run.id).queries}

    assert asked["bread from flour and water"].hits[0].name == "bread.md"  # asked for by its title
    assert asked["winter Akku kalt"].hits[0].relevant
    assert asked["winter Akku kalt"].values["mrr"] == 1


def test_each_ranking_and_width_is_a_run_of_its_own(library: Client) -> None:
    add(library, "my-set", SET)

    runs = library.evaluate(
        NewRuns(query_set="my-set", rankings=["dense", "lexical"], dims=[256, 64], exact=True)
    )

    assert [(run.ranking, run.dim, run.exact) for run in runs] == [
        ("dense", 256, True),
        ("dense", 64, True),
        ("lexical", None, False),
    ]


def test_a_run_says_which_funnel_it_went_through(library: Client) -> None:
    add(library, "my-set", SET)
    chosen = library.tune("library").chosen
    until = time.monotonic() + 30
    while (found := library.tuning("library")) is None or found.applying is not None:
        assert time.monotonic() < until
        time.sleep(0.05)

    full, short = library.evaluate(NewRuns(query_set="my-set", dims=[256, 64]))
    (exact,) = library.evaluate(NewRuns(query_set="my-set", exact=True))

    assert (full.funnel, short.funnel, exact.funnel) == (chosen, None, None)


def test_what_the_collection_lacks_is_counted(library: Client) -> None:
    add(library, "my-set", SET + b"something else,gone.md,en\nbattery,gone.md,en\nbattery,battery.md,en\n")

    (run,) = finished(library, NewRuns(query_set="my-set"))

    assert (run.total, run.missing, run.left_out) == (5, 2, 1)
    assert run.report is not None
    assert run.report.overall.queries == 4


def test_a_set_of_other_documents_fails_with_what_to_do(library: Client) -> None:
    add(library, "other", b"query,document\nx,gone.md\n")

    (run,) = finished(library, NewRuns(query_set="other"))

    assert run.state == "failed"
    assert run.problem is not None
    assert run.problem.startswith("'library' has no document that 'other' names, be it by file name, title")


def test_copies_of_one_content_are_one_relevant_document(client: Client) -> None:
    upload(client, a=b"# Bread\n\nFlour and water.", b=b"# Bread\n\nFlour and water.", c=b"Something else.")
    add(client, "copies", b"query,document\nflour and water,a.md\nflour and water,b.md\n")

    (run,) = finished(client, NewRuns(query_set="copies", rankings=["dense"]))

    assert run.report is not None
    assert run.report.overall.values["recall_at_1"].value == 1
    assert run.report.overall.values["ndcg_at_10"].value == 1


def test_a_passage_must_hold_its_quote(library: Client) -> None:
    row = {"query": "battery", "document": "battery.md", "passage": "Charge it to  sixty percent"}
    library.import_set("passages", [("passages.jsonl", io.BytesIO(json.dumps(row).encode()))])

    (run,) = finished(library, NewRuns(query_set="passages", rankings=["dense"]))

    (asked,) = library.run(run.id).queries
    right = [number for number, hit in enumerate(asked.hits, 1) if hit.relevant]
    texts = [hit.text for hit in library.search(SearchRequest(query="battery", ranking="dense")).hits]
    assert right == [number for number, text in enumerate(texts, 1) if "sixty percent" in text]
    assert asked.values["mrr"] == 1 / right[0]


def test_each_language_pair_is_judged_by_its_own_documents(client: Client) -> None:
    upload(
        client,
        en=b"# Mountain huts\n\nThe warden of the hut is the one who keeps the key of the Akku depot.",
        de=b"# Akku\n\nDer Akku steht im Depot, den Schl\xc3\xbcssel f\xc3\xbcr das Depot hat der Wart.",
        fr=b"# Autre chose\n\nLes recettes de la montagne sont souvent tr\xc3\xa8s simples et bonnes.",
    )
    add(client, "pairs", b"query,document,language\nAkku Depot Wart,de.md,de\nAkku Depot Wart,en.md,de\n")

    (run,) = finished(client, NewRuns(query_set="pairs", rankings=["dense"]))

    assert run.report is not None
    cells = {
        (pair.query_language, pair.document_language): pair.values["mrr"].value for pair in run.report.pairs
    }
    # both are found first, each counted as if the other were not there
    assert cells == {("de", "de"): 1, ("de", "en"): 1}
    assert run.report.overall.values["recall_at_1"].value == 0.5
    bias = run.report.bias[0]
    assert (bias.hits, bias.relevant) == (0.5, 0.5)


def test_hits_in_the_querys_language_in_front_of_better_ones_are_a_bias(client: Client) -> None:
    upload(
        client,
        wrong=b"# Wetter\n\nHeute ist das Wetter in den Bergen ganz und gar schlecht geworden.",
        right=b"# Forecast\n\nThe weather in the mountains is going to be much better tomorrow.",
    )
    add(client, "bias", b"query,document,language\nWetter Bergen heute schlecht,right.md,de\n")

    (run,) = finished(client, NewRuns(query_set="bias", rankings=["dense"]))

    assert run.report is not None
    assert (run.report.bias[0].hits, run.report.bias[0].relevant) == (1, 0)


def test_two_runs_are_compared_query_by_query(library: Client) -> None:
    # forms of akku.md's words, and one word of bread.md, which is all that the fake encoder knows of it
    add(library, "my-set", SET + "kühlem trockenem Wintern Akkus bread,akku.md,de\n".encode())
    dense, lexical = finished(library, NewRuns(query_set="my-set", rankings=["dense", "lexical"]))

    found = library.compare(dense.id, lexical.id, "recall_at_1")

    values = [
        {one.text: one.values["recall_at_1"] for one in library.run(run.id).queries}
        for run in (dense, lexical)
    ]
    differences = {text: values[1][text] - values[0][text] for text in values[0]}
    assert found.queries == 4
    assert found.won == sum(one > 0 for one in differences.values()) > 0
    assert found.lost == sum(one < 0 for one in differences.values())
    assert found.won + found.lost + found.tied == 4
    assert found.difference.value == pytest.approx(sum(differences.values()) / 4)
    assert [one.text for one in found.biggest] == [text for text, one in differences.items() if one]
    assert 0 < found.p <= 1


def test_runs_of_different_sets_are_not_compared(library: Client) -> None:
    add(library, "one", SET)
    add(library, "two", b"query,document\nbattery,battery.md\n")
    (one,) = finished(library, NewRuns(query_set="one"))
    (two,) = finished(library, NewRuns(query_set="two"))

    with pytest.raises(ServiceError, match="no query in common"):
        library.compare(one.id, two.id)


def test_runs_outlive_their_set_and_can_be_deleted(library: Client) -> None:
    add(library, "my-set", SET)
    (run,) = finished(library, NewRuns(query_set="my-set"))

    library.delete_set("my-set")

    assert library.query_sets() == []
    assert [one.id for one in library.runs(query_set="my-set")] == [run.id]
    assert len(library.run(run.id).queries) == 3
    library.delete_run(run.id)
    assert library.runs() == []


def test_wrong_requests_say_what_there_is(library: Client) -> None:
    add(library, "my-set", SET)

    def message(call: Callable[[], object]) -> tuple[int | None, str]:
        with pytest.raises(ServiceError) as error:
            call()
        return error.value.status, str(error.value)

    assert message(lambda: add(library, "my-set", SET)) == (
        400,
        "there is a query set 'my-set': delete it first, or choose another name",
    )
    assert message(lambda: add(library, "bad", b"query,document\nx,\n")) == (400, "bad.csv:2: no document")
    assert message(lambda: library.delete_set("none")) == (404, "no query set 'none'; there is my-set")
    assert message(lambda: library.run("none")) == (404, "no run 'none'; it may have been deleted")
    assert message(lambda: library.evaluate(NewRuns(query_set="none"))) == (
        404,
        "no query set 'none'; there is my-set",
    )
    assert message(lambda: library.evaluate(NewRuns(query_set="my-set", dims=[96]))) == (
        400,
        "'library' stores 256, 64 dims, not 96",
    )
    assert message(lambda: library.evaluate(NewRuns(query_set="my-set", collection="none")))[0] == 404
    assert message(
        lambda: library.make_set(NewQuerySet(name="thumbs", collection="library", origin="feedback"))
    ) == (400, "nobody has given a thumb up in 'library' yet")


def test_thumbs_up_become_queries(library: Client) -> None:
    hit = library.search(SearchRequest(query="battery winter")).hits[0]
    other = library.search(SearchRequest(query="bread")).hits[0]
    for query, found, thumb in (
        ("where to put the battery", hit, "up"),
        ("not this", other, "down"),
        ("changed my mind", other, "up"),
        ("changed my mind", other, None),
    ):
        library.give_feedback(
            Feedback(
                query=query,
                document=found.sources[0].document,
                passage=found.position,
                thumb=thumb,  # type: ignore[arg-type]
            )
        )

    made = library.make_set(NewQuerySet(name="thumbs", origin="feedback"))

    assert (made.origin, made.queries) == ("feedback", 1)
    (run,) = finished(library, NewRuns(query_set="thumbs"))
    (asked,) = library.run(run.id).queries
    assert asked.text == "where to put the battery"
    assert asked.values["recall_at_10"] == 1


def test_a_thumb_for_a_passage_that_is_not_there_is_refused(library: Client) -> None:
    document = library.documents("library").documents[0]

    with pytest.raises(ServiceError, match=r"has no passage 99; it may have changed"):
        library.give_feedback(Feedback(query="x", document=document.id, passage=99, thumb="up"))
    with pytest.raises(ServiceError, match="no document 'none'"):
        library.give_feedback(Feedback(query="x", document="none", thumb="up"))


def test_a_collection_asks_for_its_own_sections_and_sentences(library: Client) -> None:
    section = (
        "The chain wants a drop of oil on every link after each ride in the rain or on salted roads. " * 5
    )
    brakes = (
        "Worn pads squeal and stop late, so look at them each month and change them in pairs at once. " * 5
    )
    upload(library, bike=f"# Bicycle\n\n## The chain\n\n{section}\n\n## The brakes\n\n{brakes}".encode())
    made = library.make_set(NewQuerySet(name="own", origin="synthetic"))

    assert made.origin == "synthetic"
    (run,) = finished(library, NewRuns(query_set="own"))
    asked = library.run(run.id).queries
    assert {one.text for one in asked} >= {
        "The chain (Bicycle)",
        "The brakes (Bicycle)",
        "Der Akku gehört im Winter an einen kühlen und trockenen Ort.",
    }
    assert run.missing == 0
    assert all(one.values["recall_at_10"] == 1 for one in asked)

    again = library.make_set(NewQuerySet(name="again", origin="synthetic", limit=2))
    assert again.queries == 2


def test_a_stopped_run_is_done_at_the_next_start(
    serve: Serve, connect: Callable[..., Client], tmp_path: Path
) -> None:
    from app.evaluation.store import Store
    from ingest.database import Database

    client = connect(serve())
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "battery.md").write_text("# Battery\n\nThe battery wants a cool and dry place.")
    ingest(client, folder)
    add(client, "my-set", b"query,document\nbattery,battery.md\n")
    database = Database(tmp_path / "data" / "ledger.sqlite")
    store = Store(database)
    run = store.add_run(
        "my-set",
        "library",
        "hybrid",
        256,
        exact=False,
        funnel=None,
        encoder="fake",
        fingerprint="f",
        recipe="r",
    )
    with database.write() as db:  # as a killed process leaves it
        db.execute("UPDATE runs SET state = 'running', done = 1 WHERE id = ?", (run.id,))

    store.requeue_running()
    finished(client, NewRuns(query_set="my-set"))

    assert store.run(run.id).state == "done"
    database.close()
