"""A document: a pdf's pages beside their passages, and text in its own direction."""

import shutil
from pathlib import Path

import pytest

from app.client import Client
from tests.app.conftest import ingest
from tests.app.ui.conftest import PAGES, Open, html

SAMPLE = PAGES.parent / "sample" / "library"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def manual(client: Client, tmp_path: Path) -> str:
    """Id of a pdf of two pages."""
    folder = tmp_path / "manual"
    folder.mkdir()
    shutil.copy(SAMPLE / "maintenance-manual.pdf", folder)
    ingest(client, folder)
    return client.documents("library").documents[0].id


def test_a_pdf_opens_at_the_page_of_its_passage(client: Client, manual: str, open_page: Open) -> None:
    last = client.document(manual).passages[-1]
    assert last.page == 2

    app = open_page("document", document=manual, passage=str(last.position))

    assert len(app.image) == 1
    assert app.pagination[0].value == 2
    assert "kalm-passage opened" in html(app)
    assert "Before you begin" not in html(app)
    app.pagination[0].select(1).run()
    assert "Before you begin" in html(app)
    assert "kalm-passage opened" not in html(app)


def test_the_passage_that_was_opened_is_highlighted_on_its_page(client: Client, manual: str) -> None:
    last = client.document(manual).passages[-1]

    plain, _ = client.picture(manual, 2)
    marked, _ = client.picture(manual, 2, last.position)
    elsewhere, _ = client.picture(manual, 1, last.position)

    assert marked != plain
    assert elsewhere == client.picture(manual, 1)[0]


def test_a_document_without_pictures_shows_its_text(library: Client, open_page: Open) -> None:
    bread = next(one for one in library.documents("library").documents if one.name == "bread.md")

    app = open_page("document", document=bread.id)

    assert not app.image
    assert "Flour, water, salt" in html(app)


def test_text_written_from_the_right_is_shown_so_whatever_it_begins_with(
    client: Client, open_page: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "arabic"
    folder.mkdir()
    (folder / "a.md").write_text("# دليل\n\nKaLM هو نموذج للبحث في المستندات.")
    ingest(client, folder)
    document = client.documents("library").documents[0]

    app = open_page("document", document=document.id, passage="0")

    assert document.language == "ar"
    assert 'class="kalm-text" dir="rtl">KaLM' in html(app)
