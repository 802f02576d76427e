"""Scanned pages, by the real tesseract where it is installed."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import NoText
from ingest.parse import ocr, parse
from ingest.records import Element
from ingest.worker import ParseWorker

Read = Callable[[str, str | bytes], list[Element]]
SAMPLE = Path(__file__).parents[3] / "app" / "sample" / "library"
needs_english = pytest.mark.skipif(
    "eng" not in ocr.packs(), reason="tesseract with its English pack is not installed"
)


def drawn(file: str) -> Image.Image:
    """The first page of a pdf of the sample library, as a scanner would give it."""
    with pypdfium2.PdfDocument(SAMPLE / file) as document:
        picture = document[0].render(scale=ocr.DPI / 72, grayscale=True).to_numpy()
    return Image.fromarray(np.ascontiguousarray(picture.reshape(picture.shape[:2])))


def top(page: Image.Image) -> Image.Image:
    """A third of it, which is read in a third of the time."""
    return page.crop((0, 0, page.width, page.height // 3))


def scanned(*pages: Image.Image | str) -> bytes:
    """A pdf of pictures; a text is a page with text."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(60, 700, page)
        else:
            size = tuple(72 / ocr.DPI * pixels for pixels in page.size)
            canvas.setPageSize(size)
            canvas.drawImage(ImageReader(page), 0, 0, *size)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


@needs_english
def test_a_scanned_page_gives_the_words_of_the_page(read: Read) -> None:
    original = parse(SAMPLE / "maintenance-manual.pdf", "maintenance-manual.pdf")
    wanted = {word for element in original if element.page == 1 for word in element.text.split()}

    found = read("a.pdf", scanned(drawn("maintenance-manual.pdf")))

    words = {word for element in found for word in element.text.split()}
    assert len(wanted & words) > 0.9 * len(wanted)
    assert {element.page for element in found} == {1}


@pytest.mark.skipif("osd" not in ocr.packs(), reason="tesseract's detector of scripts is not installed")
@needs_english
def test_a_page_that_lies_on_its_side_is_turned(read: Read) -> None:
    found = read("a.pdf", scanned(drawn("maintenance-manual.pdf").rotate(90, expand=True)))

    assert "Workshop manual" in " ".join(element.text for element in found)


@needs_english
def test_a_scan_among_pages_of_text_stands_where_it_belongs(read: Read) -> None:
    found = read("a.pdf", scanned("First page.", top(drawn("maintenance-manual.pdf")), "Last page."))

    assert (found[0].text, found[-1].text) == ("First page.", "Last page.")
    assert "Workshop manual" in " ".join(element.text for element in found if element.page == 2)


@pytest.mark.skipif(ocr.TESSERACT is None, reason="tesseract is not installed")
@pytest.mark.skipif("rus" in ocr.packs() or "script/Cyrillic" in ocr.packs(), reason="the pack is there")
def test_a_pack_that_is_missing_is_named() -> None:
    blank = np.full((500, 500), 255, dtype=np.uint8)

    with pytest.raises(
        ocr.MissingPack, match="Cyrillic letters need one of tesseract's language packs: rus, ukr"
    ):
        ocr.read_page(blank, ["Cyrillic", "Latin"])


@pytest.mark.skipif(ocr.TESSERACT is None, reason="tesseract is not installed")
def test_a_drawing_without_letters_gives_none_and_says_so(read: Read) -> None:
    drawing = np.full((600, 400), 255, dtype=np.uint8)
    drawing[100:400, 50:300] = 0

    with pytest.raises(NoText, match=r"a\.pdf is pictures only \(0 of 1 pages .*: OCR found none on them"):
        read("a.pdf", scanned(Image.fromarray(drawing)))


def test_without_tesseract_a_scan_is_refused_with_what_to_do(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "TESSERACT", None)

    with pytest.raises(NoText, match=r"run it through OCR first \(ocrmypdf\), or install tesseract here"):
        read("a.pdf", scanned(drawn("maintenance-manual.pdf")))


@needs_english
def test_the_reader_of_files_may_start_tesseract(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(scanned(top(drawn("maintenance-manual.pdf"))))
    worker = ParseWorker()

    found = worker.parse(tmp_path / "a.pdf", "a.pdf")
    worker.close()

    assert "Workshop manual" in " ".join(element.text for element in found)
