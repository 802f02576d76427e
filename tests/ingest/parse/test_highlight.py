"""A passage is found on the picture of its page, whatever became of its white space."""

import io
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from ingest.parse.highlight import rectangles
from ingest.parse.picture import render

LINES = (
    "The battery wants a cool and dry",
    "place in winter. Charge it to six-",
    "ty percent.",
    "Then ride.",
)


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    """Two pages; a sentence goes on from the first to the second."""
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(300, 200))
    for number, line in enumerate(LINES):
        canvas.drawString(20, 150 - 20 * number, line)
    canvas.drawString(20, 20, "A sentence that goes on")
    canvas.showPage()
    canvas.drawString(20, 150, "over the end of the page.")
    canvas.drawString(20, 100, "Nothing else.")
    canvas.save()
    return tmp_path / "a.pdf"


def baselines(pdf: Path, page: int, passage: str) -> list[int]:
    """Of the lines that are marked, in points from below."""
    with pypdfium2.PdfDocument(pdf) as document:
        return sorted({round(bottom, -1) for *_, bottom in rectangles(document[page], passage)}, reverse=True)


@pytest.mark.parametrize(
    ("passage", "page", "marked"),
    [
        ("The battery wants a cool and dry place in winter.", 0, [150, 130]),
        ("Charge it to sixty percent.", 0, [130, 110]),
        ("the BATTERY wants\na cool and dry place in winter.\n\nThen ride.", 0, [150, 130, 90]),
        ("A sentence that goes on over the end of the page.", 0, [20]),
        ("A sentence that goes on over the end of the page.", 1, [150]),
        ("Then ride.", 1, []),
        ("Another text.", 0, []),
    ],
)
def test_the_lines_of_a_passage_are_found(pdf: Path, passage: str, page: int, marked: list[int]) -> None:
    assert baselines(pdf, page, passage) == marked


@pytest.mark.parametrize("turned", [0, 90])
def test_only_the_passage_is_coloured_on_the_picture(tmp_path: Path, turned: int) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(300, 200))
    canvas.setPageRotation(turned)
    canvas.drawString(20, 180, "Marked.")
    canvas.drawString(20, 20, "Others.")
    canvas.save()

    def picture(passage: str) -> np.ndarray:
        png = render(tmp_path / "a.pdf", "a.pdf", 1, passage).png
        return np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)

    coloured = np.argwhere(np.ptp(picture("Marked."), axis=2) > 100)
    across = 1 if turned == 0 else 0  # along the line; below it is the top of the page as it was written
    down = 1 - across
    size = picture("").shape
    assert len(coloured) > 500
    assert coloured[:, across].max() < size[across] / 2
    edge = coloured[:, down] / size[down]
    assert (edge.max() < 0.2) if turned == 0 else (edge.min() > 0.5)
    assert np.ptp(picture(""), axis=2).max() == 0
