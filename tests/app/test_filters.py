"""Filters: all that is asked for must hold, unknown fields are named, labels change without encoding."""

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.client import Client, ServiceError
from app.schemas import AnswerRequest, Labelled, NewJob, NewLabels, Period, SearchRequest
from tests.app.conftest import wait

HR = Labelled.model_validate({"labels": {"dept": "hr", "tag": ["leave", "pay"]}, "modified": "2020-05-17"})
LAW = Labelled.model_validate({"labels": {"dept": "law"}})


@pytest.fixture
def shelf(client: Client, tmp_path: Path) -> Client:
    """Two uploads with labels, and a file of a folder with a date of its own."""
    client.create_collection("library")
    folder = tmp_path / "papers" / "2019"
    folder.mkdir(parents=True)
    (folder / "old.md").write_text("# Old\n\nWinter holidays in the old days.\n\n# More\n\nWinter again.")
    os.utime(folder / "old.md", (1_560_000_000, 1_560_000_000))  # 2019-06-08
    jobs = [
        put(client, "leave.md", "# Leave\n\nHolidays in winter are asked for by mail.", HR),
        put(client, "court.md", "# Court\n\nThe court holds no sessions on winter holidays.", LAW),
        client.ingest(NewJob(place=str(tmp_path / "papers"))).id,
    ]
    for job in jobs:
        wait(client, job)
    return client


def put(client: Client, name: str, text: str, said: Labelled | None = None) -> str:
    return client.upload("library", [(name, io.BytesIO(text.encode()))], said).id


def names(client: Client, **filters: Any) -> set[str]:
    """Of the documents found; all of them speak of winter."""
    rankings = []
    for ranking in ("hybrid", "dense", "lexical"):
        request = SearchRequest.model_validate({"query": "winter holidays", "ranking": ranking, **filters})
        rankings.append({hit.sources[0].name for hit in client.search(request).hits})
    assert rankings[0] == rankings[1] == rankings[2]
    return rankings[0]


CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"leave.md", "court.md", "old.md"}),
    ({"fields": {"dept": "hr"}}, {"leave.md"}),
    ({"fields": {"dept": ["hr", "law"]}}, {"leave.md", "court.md"}),
    ({"fields": {"dept": ["hr", "law"], "tag": "pay"}}, {"leave.md"}),
    ({"fields": {"dept": "hr", "title": "Court"}}, set()),
    ({"fields": {"title": ["Court", "Old"]}}, {"court.md", "old.md"}),
    ({"fields": {"heading": "More"}}, set()),
    ({"fields": {"position": "0"}}, {"leave.md", "court.md", "old.md"}),
    ({"modified": {"since": "2020-01-01"}}, {"leave.md"}),
    ({"modified": {"until": "2019-06-08"}}, {"old.md"}),
    ({"modified": {"until": "2019-06-07"}}, set()),
    ({"modified": {"since": "2019-06-08", "until": "2020-05-17"}}, {"leave.md", "old.md"}),
    ({"ingested": {"until": "2020-01-01"}}, set()),
    ({"ingested": {"since": "2020-01-01"}}, {"leave.md", "court.md", "old.md"}),
    ({"sources": ["upload:leave.md"]}, {"leave.md"}),
    ({"sources": ["upload:leave.md"], "fields": {"dept": "law"}}, set()),
    ({"languages": ["en"], "fields": {"dept": "law"}}, {"court.md"}),
    ({"languages": ["de"]}, set()),
]


def test_all_that_is_asked_for_must_hold(shelf: Client) -> None:
    for filters, expected in CASES:
        assert names(shelf, **filters) == expected, filters


def test_a_source_is_any_folder_above(shelf: Client, tmp_path: Path) -> None:
    for place in (tmp_path / "papers", tmp_path / "papers" / "2019", tmp_path / "papers" / "2019" / "old.md"):
        assert names(shelf, sources=[str(place)]) == {"old.md"}
    assert names(shelf, sources=[f"{tmp_path}/papers/"]) == {"old.md"}
    assert names(shelf, sources=[str(tmp_path / "pap")]) == set()


def test_an_unknown_field_is_named_with_those_that_are_there(shelf: Client) -> None:
    known = "there is title, heading, page, position, and of labels in 'library': dept, tag"
    for name, message in {
        "dpet": f"no field 'dpet'; {known}",
        "language": "'language' is not among `fields`: say `languages` beside them",
        "access": f"no field 'access'; {known}",
        "documents": f"no field 'documents'; {known}",
        "version": f"no field 'version'; {known}",
    }.items():
        with pytest.raises(ServiceError, match=message) as raised:
            shelf.search(SearchRequest(query="x", fields={name: ["1"]}))
        assert (raised.value.status, raised.value.code) == (400, "unknown_field")


def test_a_page_must_be_a_number_and_a_period_in_order(shelf: Client) -> None:
    with pytest.raises(ServiceError, match="page: 'seven' is no number"):
        shelf.search(SearchRequest(query="x", fields={"page": ["seven"]}))
    with pytest.raises(ValidationError, match="2024-02-01 is after 2024-01-01"):
        Period.model_validate({"since": "2024-02-01", "until": "2024-01-01"})


def test_a_day_is_all_of_it() -> None:
    day = Period.model_validate({"since": "2024-01-31", "until": "2024-01-31"})

    assert day.since == datetime(2024, 1, 31, tzinfo=UTC)
    assert day.until == datetime(2024, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert Period.model_validate(day.model_dump(mode="json")) == day


def test_an_answer_keeps_to_the_filters_too(shelf: Client) -> None:
    request = AnswerRequest.model_validate(
        {"question": "winter holidays are asked for by mail", "fields": {"dept": "hr"}}
    )
    (answer,) = [event.answer for event in shelf.answer(request) if event.answer]

    assert {citation.hit.sources[0].name for citation in answer.citations} == {"leave.md"}


def test_labels_are_changed_at_once_and_told(shelf: Client) -> None:
    documents = {one.name: one for one in shelf.documents("library").documents}
    assert documents["leave.md"].labels == {"dept": ["hr"], "tag": ["leave", "pay"]}
    assert documents["leave.md"].modified == datetime(2020, 5, 17, tzinfo=UTC)
    assert shelf.labels("library") == {"dept": {"hr": 1, "law": 1}, "tag": {"leave": 1, "pay": 1}}
    before = shelf.jobs()

    both = [documents["leave.md"].id, documents["court.md"].id, "of nobody"]
    assert shelf.label_documents(NewLabels(documents=both, labels={"dept": ["all"]})) == 2

    assert names(shelf, fields={"dept": "all"}) == {"leave.md", "court.md"}
    assert shelf.labels("library") == {"dept": {"all": 2}}
    assert shelf.jobs() == before  # nothing was ingested again


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"title": "x"}, "'title' is a field of every document"),
        ({"a b": "x"}, "should match pattern"),
        ({"a": " "}, "at least 1 character"),
    ],
)
def test_labels_have_names_of_their_own(labels: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Labelled.model_validate({"labels": labels})


def test_labels_of_a_folder_reach_what_is_unchanged(shelf: Client, tmp_path: Path) -> None:
    job = NewJob.model_validate({"place": str(tmp_path / "papers"), "labels": {"dept": "archive"}})

    assert wait(shelf, shelf.ingest(job).id) == {"unchanged": 1}

    assert names(shelf, fields={"dept": "archive"}) == {"old.md"}


def test_the_command_line_labels_and_filters(shelf: Client, kalm: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "new.md").write_text("# New\n\nWinter holidays are longer now.")
    assert (
        kalm("ingest", str(tmp_path / "new.md"), "--label", "dept=press", "--label", "tag=a").returncode == 0
    )

    found = kalm(
        "search", "winter holidays", "--where", "dept=press", "--where", "tag=a", "--since", "2024-01-01"
    )
    assert "new.md" in found.stdout
    assert "leave.md" not in found.stdout
    assert "dept=press  tag=a" in kalm("documents", "--text", "new").stdout

    document = shelf.documents("library", text="new").documents[0].id
    kalm("documents", "label", document, "--label", "dept=law")
    assert "new.md" in kalm("search", "winter holidays", "--where", "dept=law").stdout
    explained = kalm("search", "winter holidays", "--by-document", "--explain", "--diversity", "0.2")
    assert "meaning 1 (" in explained.stdout
    assert "candidates {'dense'" in explained.stdout
    like = kalm("similar", document, "0", "--where", "dept=hr")
    assert "leave.md" in like.stdout
    refused = kalm("search", "winter", "--where", "dept")
    assert refused.returncode == 1
    assert "--where 'dept'? Say KEY=VALUE" in refused.stderr
