"""Pages of a pdf that have no text -> elements, through OCR; or the reason why not."""

import logging
from collections.abc import Set
from math import inf, sqrt
from time import monotonic

import numpy as np
import pypdfium2

from ingest.errors import NoText, ParseLimit
from ingest.parse import ocr
from ingest.records import Element

log = logging.getLogger(__name__)

_AMONG_TEXT_S = 30.0
"""Seconds for the pictures of a document that has text: it is not to fail for its drawings."""
_PIXELS = 25_000_000
"""Of a page; an A3 sheet has 17 million. Larger ones are drawn smaller."""
_DETECTED = 3
"""Pages by which the script is told."""


def read_pictures(document: pypdfium2.PdfDocument, name: str, pages_with_text: Set[int]) -> list[Element]:
    """A paragraph an element; what is left out is logged.

    Raises NoText if there is nothing else in the document, and why; ParseLimit if a page takes too long.
    """
    numbers = [number for number in range(1, len(document) + 1) if number not in pages_with_text]
    pictures = [number for number in numbers if _has_something(document, number)]
    found: list[Element] = []
    why = "run it through OCR first (ocrmypdf), or install tesseract here"
    if ocr.TESSERACT is not None and pictures:
        why = "OCR found none on them"
        until = monotonic() + (_AMONG_TEXT_S if pages_with_text else inf)
        scripts = ocr.scripts_of(_draw(document, number) for number in pictures[:_DETECTED])
        for number in pictures:
            try:
                if monotonic() > until:
                    raise ParseLimit(f"{name}: its pictures take too long to be read")
                texts = ocr.read_page(_draw(document, number), scripts)
            except ocr.MissingPack as missing:
                why = str(missing)
                log.warning("%s: page %d is not read: %s", name, number, why)
            except ParseLimit as limit:
                if not pages_with_text:
                    raise
                log.warning("%s: pictures from page %d on are not read (%s)", name, number, limit)
                break
            else:
                found += [Element("text", text, page=number) for text in texts]
    if not found and not pages_with_text:
        raise NoText(
            f"{name} is pictures only (0 of {len(document)} pages have text that can be read): {why}"
        )
    return found


def _has_something(document: pypdfium2.PdfDocument, number: int) -> bool:
    try:
        return next(document[number - 1].get_objects(), None) is not None
    except pypdfium2.PdfiumError:
        return False


def _draw(document: pypdfium2.PdfDocument, number: int) -> ocr.Picture:
    page = document[number - 1]
    width, height = page.get_size()  # in 1/72 inch
    scale = min(ocr.DPI / 72, sqrt(_PIXELS / max(width * height, 1)))
    drawn = page.render(scale=scale, grayscale=True).to_numpy()
    return np.ascontiguousarray(drawn.reshape(drawn.shape[:2]))
