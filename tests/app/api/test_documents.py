"""Documents: sorted, filtered, shown page by page, run again and deleted many at once."""

import shutil
import sqlite3
import struct
from pathlib import Path

import pytest

from app.client import Client, ServiceError
from ingest.parse.picture import LONGEST_SIDE
from ingest.pipeline import RECIPE
from tests.app.conftest import ingest, wait

SAMPLE = Path(__file__).parents[3] / "app" / "sample" / "library"


def names(client: Client, **options: object) -> list[str]:
    return [one.name for one in client.documents("library", **options).documents]  # type: ignore[arg-type]


def test_documents_are_sorted_by_the_service(library: Client, tmp_path: Path) -> None:
    (tmp_path / "documents" / "Zoo.md").write_text(
        "# Zoo\n\nLast changed.\n\n# Long\n\n" + "More words. " * 99
    )
    ingest(library, tmp_path / "documents")

    assert names(library) == ["akku.md", "battery.md", "bread.md", "Zoo.md"]
    assert names(library, descending=True) == ["Zoo.md", "bread.md", "battery.md", "akku.md"]
    assert names(library, sort="updated", descending=True)[0] == "Zoo.md"
    assert names(library, sort="size") == ["bread.md", "akku.md", "battery.md", "Zoo.md"]
    assert names(library, sort="chunks", descending=True)[0] == "Zoo.md"
    assert names(library, limit=2, offset=2) == ["bread.md", "Zoo.md"]


def test_documents_are_filtered_by_language(library: Client) -> None:
    found = library.documents("library", language="de")

    assert ([one.name for one in found.documents], found.total) == (["akku.md"], 1)
    assert found.languages == {"en": 2, "de": 1}


def test_documents_that_an_older_recipe_made_are_told_and_found(library: Client, tmp_path: Path) -> None:
    assert library.collections()[0].stale == 0
    ledger = sqlite3.connect(tmp_path / "data" / "ledger.sqlite")
    with ledger:
        ledger.execute("UPDATE versions SET recipe = 'parser 0, chunker 1' WHERE title = 'Bread'")
    ledger.close()

    assert names(library, state="stale") == ["bread.md"]
    (bread,) = library.documents("library", text="bread").documents
    assert (bread.stale, bread.recipe, bread.state) == (True, "parser 0, chunker 1", "ready")
    (akku,) = library.documents("library", text="akku").documents
    assert (akku.stale, akku.recipe) == (False, RECIPE)
    assert library.collections()[0].stale == 1


def test_many_are_deleted_at_once_and_those_that_are_gone_passed_over(library: Client) -> None:
    ids = {one.name: one.id for one in library.documents("library").documents}

    assert library.delete_documents("library", [ids["bread.md"], ids["akku.md"], "gone"]) == 2

    assert names(library) == ["battery.md"]


def test_documents_run_again_take_up_what_changed_at_their_source(library: Client, tmp_path: Path) -> None:
    ids = {one.name: one.id for one in library.documents("library").documents}
    (tmp_path / "documents" / "bread.md").write_text("# Bread\n\nRye only.")
    (tmp_path / "documents" / "akku.md").unlink()

    job = library.rerun("library", list(ids.values()))

    assert job.source == "akku.md, battery.md, bread.md"
    assert wait(library, job.id) == {"failed": 1, "unchanged": 1, "changed": 1}
    assert library.document(ids["bread.md"]).passages[0].text == "Rye only."
    (failed,) = library.job(job.id, outcome="failed").items
    assert failed.error == "akku.md: can't be read any more (No such file or directory)"
    with pytest.raises(ServiceError, match="none of these documents is in 'library' any more"):
        library.rerun("library", ["gone"])


def test_a_pdf_s_page_is_a_picture_no_larger_than_a_screen(library: Client, tmp_path: Path) -> None:
    shutil.copy(SAMPLE / "maintenance-manual.pdf", tmp_path / "documents")
    ingest(library, tmp_path / "documents")
    manual = library.documents("library", text="maintenance").documents[0].id

    png, pages = library.picture(manual, 2)

    assert pages == 2
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert max(struct.unpack(">II", png[16:24])) == LONGEST_SIDE
    assert library.document(manual).has_pictures
    with pytest.raises(ServiceError, match=r"maintenance-manual\.pdf has no page 3: it has 2") as raised:
        library.picture(manual, 3)
    assert (raised.value.status, raised.value.code) == (404, "page_not_found")


def test_only_a_pdf_has_pictures(library: Client) -> None:
    bread = library.documents("library", text="bread").documents[0].id

    assert not library.document(bread).has_pictures
    with pytest.raises(ServiceError, match=r"bread\.md is in the format md: only a pdf has pages"):
        library.picture(bread, 1)
