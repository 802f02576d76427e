"""Files are looked at before they are ingested, and nothing stays of that."""

import io
import tempfile
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from app.preview import ELEMENT_CHARS
from tests.app.conftest import wait

SAMPLE = Path(__file__).parents[2] / "app" / "sample" / "library"
BREAD = b"# Bread\n\nFlour, water, salt and time make bread. Bake it hot."


def upload(client: Client, **files: bytes) -> None:
    client.create_collection("library")
    named = [(f"{name}.md", io.BytesIO(content)) for name, content in files.items()]
    wait(client, client.upload("library", named).id)


def outcomes(client: Client, *files: tuple[str, bytes]) -> list[tuple[str, str, list[str]]]:
    found = client.preflight("library", [(name, io.BytesIO(content)) for name, content in files])
    return [(one.name, one.outcome, one.same_as) for one in found]


def test_a_preflight_tells_new_changed_unchanged_and_copies_apart(client: Client) -> None:
    upload(client, bread=BREAD, akku=b"# Akku\n\nKalt und trocken.")

    assert outcomes(
        client,
        ("bread.md", BREAD),
        ("brot.md", BREAD),
        ("akku.md", b"# Akku\n\nWarm und trocken."),
        ("new.md", b"# New\n\nSomething new."),
    ) == [
        ("bread.md", "unchanged", []),
        ("brot.md", "alias", ["bread.md"]),
        ("akku.md", "changed", []),
        ("new.md", "added", []),
    ]


def test_a_preflight_is_what_ingesting_then_does(client: Client) -> None:
    upload(client, bread=BREAD)
    files = [("bread.md", BREAD + b" Rye."), ("a.md", BREAD + b" Rye."), ("b.md", b"One."), ("b.md", b"Two.")]

    foreseen = [outcome for _, outcome, _ in outcomes(client, *files)]
    job = client.upload("library", [(name, io.BytesIO(content)) for name, content in files])
    wait(client, job.id)

    assert foreseen == ["changed", "alias", "added", "changed"]
    done = [item.outcome for item in client.job(job.id).items]
    # copies are ingested side by side: which of them comes first is not promised
    assert [
        "alias" if outcome == "added" and at == 1 else outcome for at, outcome in enumerate(done)
    ] == foreseen


def test_a_preflight_says_the_format_and_what_would_be_refused_and_why(client: Client) -> None:
    pdf = (SAMPLE / "Akku-Pflege.pdf").read_bytes()
    found = client.preflight(
        "library",
        [
            ("really.txt", io.BytesIO(pdf)),
            ("empty.md", io.BytesIO(b"")),
            ("photo.png", io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"\1" * 50)),
        ],
    )

    assert [(one.format, one.outcome, one.size_bytes) for one in found] == [
        ("pdf", "added", len(pdf)),
        (None, "failed", 0),
        (None, "failed", 58),
    ]
    assert [one.error for one in found[1:]] == [
        "empty.md is empty (0 bytes)",
        "photo.png is a PNG picture, which has no text to read",
    ]
    assert [one.error_code for one in found[1:]] == ["no_text", "unsupported"]


def test_a_file_over_the_limit_is_refused_in_the_preflight(serve: object, connect: object) -> None:
    client = connect(serve(max_upload_mb=1))  # type: ignore[operator]

    (found,) = client.preflight("library", [("big.txt", io.BytesIO(b"word " * 210_000))])

    assert (found.outcome, found.size_bytes) == ("failed", 1_050_000)
    assert found.error == "big.txt: over the limit of 1 MB per file"


def test_a_preview_is_what_ingesting_then_makes(client: Client) -> None:
    path = SAMPLE / "maintenance-manual.pdf"
    with path.open("rb") as file:
        seen = client.preview("library", path.name, file)
    client.create_collection("library")
    with path.open("rb") as file:
        wait(client, client.upload("library", [(path.name, file)]).id)

    stored = client.document(client.documents("library").documents[0].id)
    assert seen.file.outcome == "added"
    assert seen.file.format == "pdf"
    assert (seen.title, seen.language) == (stored.document.title, stored.document.language)
    assert seen.chunk_count == len(stored.passages)
    assert [one.model_dump(exclude={"tokens"}) for one in seen.chunks] == [
        one.model_dump() for one in stored.passages
    ]
    assert seen.elements[0].kind == "title"
    assert {element.page for element in seen.elements} == {1, 2}
    assert 0 < max(chunk.tokens for chunk in seen.chunks) <= seen.chunk_tokens
    assert seen.token_count == sum(chunk.tokens for chunk in seen.chunks)


def test_a_preview_writes_nothing_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    def everything() -> set[Path]:
        return {path for path in (tmp_path / "data").rglob("*") if "ledger" not in path.name}

    upload(client, bread=BREAD)
    before, collection = everything(), client.collections()[0]

    client.preview("library", "akku.md", io.BytesIO(b"# Akku\n\nKalt und trocken."))
    client.preflight("other", [("akku.md", io.BytesIO(b"# Akku"))])

    assert (everything(), client.collections()) == (before, [collection])
    assert not list(Path(tempfile.gettempdir()).glob("kalm-preview-*/*"))
    assert len(client.jobs()) == 1


def test_a_long_element_is_cut_and_says_so(client: Client) -> None:
    seen = client.preview("library", "long.txt", io.BytesIO(b"word " * 1000))

    assert seen.elements[0].capped
    assert len(seen.elements[0].text) == ELEMENT_CHARS
    assert seen.chunks[0].text


def test_a_preview_of_a_broken_file_says_why(client: Client) -> None:
    with pytest.raises(ServiceError, match=r"broken\.pdf is damaged") as raised:
        client.preview("library", "broken.pdf", io.BytesIO(b"%PDF-1.7\nnothing"))

    assert (raised.value.status, raised.value.code) == (400, "not_ingestible")
