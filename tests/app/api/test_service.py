"""The service as its clients see it: the nouns, the errors, the doors."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.client import Client, ServiceError
from app.keys import hash_key
from app.schemas import NewJob, SearchRequest
from tests.app.conftest import Serve, ingest, wait


def search(client: Client, query: str, **options: object) -> list[str]:
    request = SearchRequest.model_validate({"query": query, **options})
    return [hit.sources[0].name for hit in client.search(request).hits]


def test_a_folder_is_found_and_ingesting_it_again_writes_nothing(library: Client, tmp_path: Path) -> None:
    assert search(library, "where does the battery go")[0] == "battery.md"

    before = library.collections()[0]
    assert ingest(library, tmp_path / "documents") == {"unchanged": 3}
    assert library.collections()[0] == before


def test_a_hit_says_where_it_is_from(library: Client) -> None:
    response = library.search(SearchRequest(query="charge before winter", limit=1))

    hit = response.hits[0]
    assert hit.title == "Battery care"
    assert "Charge it to sixty percent before winter." in hit.text
    assert hit.language == "en"
    assert [hit.text[begin:end] for begin, end in hit.marks] == ["Charge", "before", "winter"] or hit.marks
    assert (response.mode, response.dim, response.encoder) == ("funnel", 256, "fake")
    assert response.timing.total_ms >= response.timing.search_ms


def test_search_is_filtered_by_language_document_and_width(library: Client) -> None:
    documents = {one.name: one.id for one in library.documents("library").documents}

    assert search(library, "battery Akku Winter", languages=["de"]) == ["akku.md"]
    assert set(search(library, "battery", documents=[documents["bread.md"]])) == {"bread.md"}
    assert search(library, "the battery", dim=64)[0] == "battery.md"
    assert search(library, "the battery", exact=True)[0] == "battery.md"
    with pytest.raises(ServiceError, match="this collection has 256, 64 dims, not 100") as raised:
        search(library, "x", dim=100)
    assert (raised.value.status, raised.value.code) == (400, "unknown_dim")


def test_an_edited_file_is_replaced_and_a_missing_one_removed_by_sync(
    library: Client, tmp_path: Path
) -> None:
    (tmp_path / "documents" / "bread.md").write_text("# Bread\n\nRye only.")
    (tmp_path / "documents" / "akku.md").unlink()

    assert ingest(library, tmp_path / "documents", sync=True) == {"unchanged": 1, "changed": 1, "removed": 1}

    hits = library.search(SearchRequest(query="flour water salt bread rye Akku")).hits
    assert {hit.text for hit in hits if hit.sources[0].name == "bread.md"} == {"Rye only."}
    assert "akku.md" not in {hit.sources[0].name for hit in hits}


def test_an_upload_is_stored_ingested_and_given_back(client: Client) -> None:
    client.create_collection("library")
    content = "Ein Text über Fahrräder und ihre Akkus.".encode()

    job = client.upload("library", [("../Übersicht.txt", io.BytesIO(content)), ("leer.txt", io.BytesIO(b""))])

    assert wait(client, job.id) == {"added": 1, "failed": 1}
    documents = {one.name: one for one in client.documents("library").documents}
    assert documents["leer.txt"].state == "failed"
    assert documents["leer.txt"].error == "leer.txt is empty (0 bytes)"
    good = documents["Übersicht.txt"]
    assert (good.state, good.language, good.chunks) == ("ready", "de", 1)
    assert client.original(good.id) == content
    assert client.document(good.id).passages[0].text == content.decode()

    client.delete_document(good.id)
    assert client.search(SearchRequest(query="Fahrräder")).hits == []


def test_the_same_content_twice_is_stored_once_and_both_names_are_told(
    library: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    (folder / "copy.md").write_bytes((folder / "bread.md").read_bytes())

    assert ingest(library, folder) == {"unchanged": 3, "alias": 1}

    hit = library.search(SearchRequest(query="flour and salt", limit=1)).hits[0]
    assert [source.name for source in hit.sources] == ["bread.md", "copy.md"]
    copy = next(one for one in library.documents("library").documents if one.name == "copy.md")
    assert copy.same_as == ["bread.md"]


def test_a_collection_of_another_encoder_is_shown_with_what_to_do(
    library: Client, serve: Serve, tmp_path: Path
) -> None:
    contract = tmp_path / "data" / "index" / "library" / "contract.json"
    stored = json.loads(contract.read_text())
    contract.write_text(json.dumps({**stored, "encoder": "other", "fingerprint": "other"}))

    with Client(serve(data_dir=copied(tmp_path))) as second:
        collection = second.collections()[0]
        with pytest.raises(ServiceError, match="was built by 'other'") as raised:
            search(second, "x")

    assert not collection.usable
    assert collection.problem is not None
    assert "KALM_MODEL=other" in collection.problem
    assert raised.value.code == "wrong_encoder"


def copied(tmp_path: Path) -> Path:
    """The data folder as another process would find it."""
    import shutil

    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    return tmp_path / "copy"


def test_a_deleted_collection_is_gone_and_can_be_made_again(library: Client) -> None:
    library.delete_collection("library")

    assert library.collections() == []
    with pytest.raises(ServiceError, match="no collection 'library'; there is none yet"):
        search(library, "x")
    assert library.create_collection("library").chunks == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/documents/nonsense", None, 404, "document_not_found"),
        ("GET", "/v1/jobs/nonsense", None, 404, "job_not_found"),
        ("POST", "/v1/search", '{"query": "x", "collection": "none"}', 404, "collection_not_found"),
        ("POST", "/v1/search", '{"query": ""}', 400, "invalid"),
        ("POST", "/v1/search", '{"query": NaN}', 400, "invalid"),
        ("POST", "/v1/search", '{"query": "\\ud800", "limit": "\\ud800"}', 400, "invalid"),
        ("POST", "/v1/search", "{", 400, "invalid"),
        ("POST", "/v1/search", '{"query": "x", "nonsense": 1}', 400, "invalid"),
        ("POST", "/v1/collections", '{"name": "../x"}', 400, "invalid"),
        ("POST", "/v1/jobs", '{"place": "/nowhere/at/all"}', 400, "not_ingestible"),
        ("GET", "/nowhere", None, 404, None),
    ],
)
def test_every_error_has_one_shape(
    library: Client, method: str, path: str, body: str | None, status: int, code: str | None
) -> None:
    response = httpx.request(
        method, library.url + path, content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["code"] == code
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_body_that_is_too_large_is_refused_while_it_comes(client: Client) -> None:
    with pytest.raises(ServiceError, match="the request is over 17 MB") as raised:
        client._send("POST", "/v1/search", content=b'{"query": "' + b"x" * (17 << 20) + b'"}')

    assert raised.value.status == 413


def test_another_host_name_is_refused(client: Client) -> None:
    assert httpx.get(f"{client.url}/v1/status", headers={"host": "evil.example"}).status_code == 400


def test_keys_open_what_their_role_allows(serve: Serve, connect: Callable[..., Client]) -> None:
    url = serve(api_keys=f"reader:{hash_key('r')},editor:{hash_key('e')}", api_key="a")
    everybody, reader, editor, admin = (connect(url, key) for key in (None, "r", "e", "a"))

    admin.create_collection("library")

    assert httpx.get(f"{url}/healthz").status_code == 200
    assert reader.collections()[0].name == "library"
    for stranger in (everybody, connect(url, "wrong")):
        with pytest.raises(ServiceError, match="a valid key is needed") as raised:
            stranger.collections()
        assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")
    not_ascii = httpx.get(f"{url}/v1/collections", headers={"Authorization": "Bearer é".encode()})
    assert not_ascii.status_code == 401
    with pytest.raises(ServiceError, match="this needs the role 'editor', the key is a reader's"):
        reader.create_collection("other")
    with pytest.raises(ServiceError, match="this needs the role 'admin', the key is a editor's"):
        editor.ingest(NewJob(place="/etc"))
    assert editor.create_collection("other").name == "other"


def test_only_the_folders_that_are_allowed_can_be_ingested(
    serve: Serve, connect: Callable[..., Client], tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "way-out").symlink_to("/etc")
    client = connect(serve(ingest_roots=[allowed]))
    client.create_collection("library")

    assert client.ingest(NewJob(place=str(allowed))).state == "queued"
    for path in ("/etc", str(allowed / ".." / "data"), str(allowed / "way-out")):
        with pytest.raises(ServiceError, match="is not below a folder named in KALM_INGEST_ROOTS"):
            client.ingest(NewJob(place=path))


def test_a_service_for_others_needs_a_key() -> None:
    from app.api import serve as run
    from app.settings import Settings

    with pytest.raises(ValueError, match=r"KALM_HOST=0\.0\.0\.0 lets others in: set KALM_API_KEY"):
        run(Settings(host="0.0.0.0"))


def test_what_the_service_runs_on_is_told(client: Client) -> None:
    health = client.status()

    assert health.encoder.name == "fake"
    assert health.index == "Qdrant Edge, in the service"
    assert health.llm is None
    assert "pdf" in client.formats()
