"""Documents for groups only: a key sees its own, whatever it asks; nobody gets around it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import Client, ServiceError
from app.evaluation.schemas import Feedback, NewQuerySet, NewRuns
from app.keys import Keys, hash_key
from app.schemas import AnswerRequest, Labelled, NewLabels, SearchRequest, SimilarRequest
from app.search import search
from embedder.fake import FakeEncoder
from ingest.database import Database
from ingest.index import Location, open_index
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of, ingest
from ingest.records import Given
from tests.app.conftest import Serve, wait
from tests.ingest.conftest import Unwatched, read_lines
from tests.ingest.test_pipeline import write

SECRET = "The salary of the director is seventeen gold bars."
WORD = "gold"
LEAKS = (WORD, "seventeen", "secretlabel")
"""In text, names and labels of what is hidden."""
PUBLIC = "The salary of the porter is paid in silver each winter."


@dataclass(frozen=True)
class House:
    """A service with one document for everybody and two for groups, and a client for each key."""

    admin: Client
    hr: Client
    guest: Client
    editor: Client
    """Of no group."""
    ids: dict[str, str]
    secret_job: str


KEYS = {"hr": "reader", "guest": "reader", "editor": "editor"}


@pytest.fixture
def house(serve: Serve, connect: Callable[..., Client]) -> House:
    entries = [
        f"{role}:{hash_key(name)}" + (":hr+board" if name == "hr" else "") for name, role in KEYS.items()
    ]
    url = serve(api_key="admin", api_keys=",".join(entries))
    clients = {name: connect(url, name) for name in ("admin", *KEYS)}
    admin = clients["admin"]
    admin.create_collection("library")
    wait(admin, put(admin, "porter.md", PUBLIC))
    secret_job = put(admin, "director.md", SECRET, access=["hr"], labels={"secretlabel": ["goldvalue"]})
    wait(admin, secret_job)
    wait(admin, put(admin, "law.md", f"{SECRET} {PUBLIC}", access=["law"]))
    wait(admin, put(admin, "goldfailed.txt", "", access=["hr"]))
    ids = {one.name: one.id for one in admin.documents("library").documents}
    return House(**clients, ids=ids, secret_job=secret_job)


def put(client: Client, name: str, text: str, **said: Any) -> str:
    content = f"# {name.partition('.')[0]}\n\n{text}" if text else ""
    files = [(name, io.BytesIO(content.encode()))]
    return client.upload("library", files, Labelled.model_validate(said)).id


def found(client: Client, query: str = SECRET, **asked: Any) -> set[str]:
    request = SearchRequest.model_validate({"query": query, "limit": 100, **asked})
    hits = client.search(request).hits
    return {source.name for hit in hits for one in [hit, *hit.more] for source in one.sources}


def test_each_key_finds_what_is_for_everybody_and_for_its_groups(house: House) -> None:
    for asked in ({}, {"ranking": "dense"}, {"ranking": "lexical"}, {"exact": True}, {"group": "document"}):
        assert found(house.admin, **asked) == {"porter.md", "director.md", "law.md"}
        assert found(house.hr, **asked) == {"porter.md", "director.md"}
        assert found(house.guest, **asked) == {"porter.md"}
        assert found(house.editor, **asked) == {"porter.md"}


def test_no_filter_leads_to_what_is_hidden(house: House) -> None:
    for asked in (
        {"documents": [house.ids["director.md"]]},
        {"documents": list(house.ids.values())},
        {"sources": ["upload:director.md"]},
        {"fields": {"title": "director"}},
        {"offset": 1},
    ):
        assert found(house.guest, **asked) <= {"porter.md"}, asked
    with pytest.raises(ServiceError, match="of labels in 'library': none") as raised:
        found(house.guest, fields={"secretlabel": "goldvalue"})
    assert raised.value.code == "unknown_field"
    assert found(house.hr, fields={"secretlabel": "goldvalue"}) == {"director.md"}
    assert house.guest.labels("library") == {}


def test_nothing_hidden_is_like_a_passage_that_may_be_seen(house: House) -> None:
    def like_porter(client: Client) -> set[str]:
        asked = SimilarRequest(document=house.ids["porter.md"], passage=0, same_document=True)
        return {hit.sources[0].name for hit in client.similar(asked).hits}

    assert like_porter(house.admin) == {"director.md", "law.md"}
    assert like_porter(house.hr) == {"director.md"}
    assert like_porter(house.guest) == set()


def test_an_answer_rests_on_what_may_be_seen(house: House) -> None:
    def cited(client: Client) -> str:
        events = list(client.answer(AnswerRequest(question="what is the salary of the director")))
        return "".join(event.model_dump_json() for event in events)

    assert WORD in cited(house.hr)
    assert WORD not in cited(house.guest)
    assert WORD not in cited(house.editor)


def test_exact_ids_are_unknown_to_who_may_not_see_them(house: House) -> None:
    hidden = house.ids["director.md"]
    for client in (house.guest, house.editor):
        for call in (
            lambda c: c.document(hidden),
            lambda c: c.original(hidden),
            lambda c: c.picture(hidden, 1),
            lambda c: c.similar(SimilarRequest(document=hidden, passage=0)),
            lambda c: c.give_feedback(Feedback(query="x", document=hidden, passage=0, thumb="up")),
            lambda c: c.give_feedback(Feedback(query="x", document=hidden, thumb="down")),
            lambda c: c.job(house.secret_job),
        ):
            with pytest.raises(ServiceError) as raised:
                call(client)
            assert raised.value.status == 404
            unknown = str(raised.value).replace(hidden, "ID").replace(house.secret_job, "ID")
            assert unknown in {"no document 'ID'; it may have been deleted", "no job 'ID'"}
    assert SECRET in house.hr.document(hidden).passages[0].text
    assert SECRET.encode() in house.hr.original(hidden)


def test_lists_count_only_what_may_be_seen(house: House) -> None:
    listed = house.guest.documents("library")
    assert [one.name for one in listed.documents] == ["porter.md"]
    assert listed.total == 1
    assert sum(listed.languages.values()) == 1
    assert house.guest.documents("library", text=WORD).total == 0
    assert house.hr.documents("library").total == 3
    assert house.admin.documents("library").total == 4
    assert [job.source for job in house.guest.jobs()] == ["porter.md"]
    assert len(house.hr.jobs()) == 3


def test_an_editor_changes_nothing_it_may_not_see(house: House) -> None:
    hidden = house.ids["director.md"]
    with pytest.raises(ServiceError, match="no document"):
        house.editor.delete_document(hidden)
    assert house.editor.delete_documents("library", [hidden]) == 0
    with pytest.raises(ServiceError, match="none of these documents"):
        house.editor.rerun("library", [hidden])
    assert house.editor.label_documents(NewLabels(documents=[hidden], access=[])) == 0
    for action in ("pause", "resume", "cancel", "retry"):
        with pytest.raises(ServiceError, match="no job"):
            house.editor.act(house.secret_job, action)
    taken = "director.md: this key may not replace what has that name; choose another"
    with pytest.raises(ServiceError, match=taken) as raised:
        put(house.editor, "director.md", "mine now")
    assert (raised.value.status, raised.value.code) == (403, "not_yours")
    (forecast,) = house.editor.preflight("library", [("director.md", io.BytesIO(b"x"))])
    assert (forecast.outcome, forecast.error) == ("failed", taken)
    with pytest.raises(ServiceError, match="not of the groups hr") as raised:
        put(house.editor, "new.md", "x", access=["hr"])
    assert raised.value.status == 403
    assert found(house.hr) == {"porter.md", "director.md"}
    assert SECRET in house.hr.document(hidden).passages[0].text


def test_a_copy_of_a_hidden_text_tells_nothing_of_it(house: House) -> None:
    copy = ("mine.md", io.BytesIO(f"# director\n\n{SECRET}".encode()))
    (forecast,) = house.editor.preflight("library", [copy])
    assert (forecast.outcome, forecast.same_as) == ("added", [])

    job = house.editor.upload("library", [("mine.md", io.BytesIO(f"# director\n\n{SECRET}".encode()))])
    wait(house.editor, job.id)

    assert found(house.guest) == {"porter.md", "mine.md"}  # the text is public now, by the editor's own copy
    mine = house.guest.documents("library", text="mine").documents[0]
    assert mine.same_as == []
    assert [one.name for one in house.guest.search(SearchRequest(query=SECRET, limit=1)).hits[0].sources] == [
        "mine.md"
    ]


def test_evaluations_show_all_and_so_are_an_admin_s(house: House) -> None:
    made = house.admin.make_set(NewQuerySet(name="own", origin="synthetic"))
    (run,) = house.admin.evaluate(NewRuns(query_set=made.name))
    for call in (
        lambda: house.guest.query_sets(),
        lambda: house.guest.runs(),
        lambda: house.guest.run(run.id),
        lambda: house.guest.compare(run.id, run.id),
        lambda: house.editor.make_set(NewQuerySet(name="mine", origin="synthetic")),
        lambda: house.editor.make_set(NewQuerySet(name="mine", origin="feedback")),
        lambda: house.editor.evaluate(NewRuns(query_set=made.name)),
    ):
        with pytest.raises(ServiceError, match="needs an admin's key") as raised:
            call()
        assert raised.value.status == 403
    house.guest.give_feedback(Feedback(query="x", document=house.ids["porter.md"], passage=0, thumb="up"))


def test_a_restriction_holds_at_once_and_can_be_taken_back(house: House) -> None:
    porter = [house.ids["porter.md"]]
    house.admin.label_documents(NewLabels(documents=porter, access=["board"]))
    assert found(house.guest, PUBLIC) == set()
    assert found(house.hr, PUBLIC) == {"porter.md", "director.md"}

    house.admin.label_documents(NewLabels(documents=porter, access=[]))
    assert found(house.guest, PUBLIC) == {"porter.md"}


def test_the_index_alone_does_not_decide(tmp_path: Path) -> None:
    """Whatever stands beside the points, the ledger is asked."""
    encoder, database = FakeEncoder(), Database(tmp_path / "ledger.sqlite")
    index = open_index("library", contract_of(encoder), Location(tmp_path / "index"))
    ledger = Ledger(database)
    ledger.add_collection("library")
    shelf = Shelf("library", index, encoder, ledger)
    document = replace(write(tmp_path / "a.md", SECRET), given=Given(access=("hr",)))
    ingest(document, shelf, read_lines, Unwatched())
    (version,) = index.versions()

    index.publish(version, [document.id])  # as if nobody had ever restricted it

    for asked in ({}, {"ranking": "dense"}, {"group": "document"}, {"documents": [document.id]}):
        request = SearchRequest.model_validate({"query": SECRET, **asked})
        assert len(search(request, shelf).hits) == 1
        assert search(request, replace(shelf, sees=frozenset())).hits == []
        assert search(request, replace(shelf, sees=frozenset({"law"}))).hits == []
    index.close()
    database.close()


def _filled(path: str, house: House) -> str:
    values = {
        "document": house.ids["director.md"],
        "number": "1",
        "name": "library",
        "job": house.secret_job,
        "run": "x",
        "passage": "0",
    }
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


@pytest.mark.parametrize("key", ["guest", "editor"])
def test_no_door_of_the_service_lets_it_out(house: House, key: str) -> None:
    """Every call that is described, with hostile values: neither the text, nor its name, nor its label."""
    url, headers = house.admin.url, {"Authorization": f"Bearer {key}"}
    described = httpx.get(f"{url}/openapi.json").json()["paths"]
    hidden = house.ids["director.md"]
    bodies: list[Any] = [
        None,
        {"query": SECRET, "limit": 100, "documents": [hidden]},
        {"query": SECRET, "limit": 100, "group": "document", "passages": 20},
        {"question": SECRET, "documents": [hidden]},
        {"document": hidden, "passage": 0},
        {"collection": "library", "documents": [hidden]},
        {"collection": "library", "documents": [hidden], "access": []},
        {"name": "mine", "origin": "synthetic"},
        {"query_set": "own"},
        {"query": "x", "document": hidden, "thumb": "up"},
    ]
    asked = 0
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        for path, methods in described.items():
            for method in methods:
                for body in bodies if method in {"post", "put"} else bodies[:1]:
                    sent = {"json": body} if body is not None else {}
                    answer = http.request(method, _filled(path, house), **sent)
                    told = answer.text.lower()
                    asked += 1
                    assert not [word for word in LEAKS if word in told], (method, path, body, answer.text)
    assert asked > 100
    assert found(house.hr) == {"porter.md", "director.md"}


def test_keys_name_their_groups_and_admins_need_none() -> None:
    digest = hash_key("x")
    assert Keys.parse(f"reader:{digest}:a+b.c", None).caller("x") is not None
    for entry, message in {
        f"reader:{digest}:a b": "'a b' is no name of a group",
        f"admin:{digest}:a": "an admin sees every group's",
        f"boss:{digest}": "'boss' is not `role:sha256hex`",
    }.items():
        with pytest.raises(ValueError, match=message):
            Keys.parse(entry, None)
    assert (
        json.dumps(sorted(Keys.parse(f"editor:{digest}:b+a", None).caller("x").groups or ())) == '["a", "b"]'
    )
