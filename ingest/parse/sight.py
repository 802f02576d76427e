"""Lines of a pdf's page -> whether anybody who looks at the page sees them.

Few lines are looked at closely: those drawn without ink, in white, or very small. The page is drawn, and a
line is unseen if its place on it is of one colour. So white letters on a dark bar are seen, and so is
the invisible text that OCR lays over the picture of a scanned page.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pypdfium2.raw as pdfium

_INVISIBLE = (3, 7)
"""Render modes that put no ink on the page (ISO 32000-1, table 106)."""
_WHITE = 235
"""Of 255 in red, green and blue: paler than any text."""
_CLEAR = 20
"""Of 255: as good as transparent."""
_LOWEST = 1.0
"""Points: letters of this height can't be read."""
_ONE_COLOUR = 12
"""Of 255, between the lightest and the darkest."""
_SCALE = 1.0
"""Pixels per point."""
_MOST_DRAWN = 500
"""Pages of a document, some 10 ms each; whether lines on later ones are seen is not asked."""
_MOST_PIXELS = 16_000_000


class Sight:
    """Of one document, page by page; a page is drawn when the first line asks for it."""

    def __init__(self) -> None:
        self._page: Any = None
        self._bounds = (0.0, 0.0, 0.0, 0.0)
        self._picture: npt.NDArray[np.uint8] | None = None
        self._drawn = 0

    def turn_to(self, page: Any) -> None:
        left, bottom, right, top = page.get_bbox()
        self._page, self._bounds, self._picture = page, (left, bottom, right, top), None

    def misses(self, textpage: Any, glyphs: Sequence[int]) -> bool:
        """Whether nobody sees the glyphs of a line (pdfium's numbers of them)."""
        middle = glyphs[len(glyphs) // 2]
        box = _box(textpage, middle)
        if box is None:
            return False
        left, bottom, right, top = box
        page = self._bounds
        if right <= page[0] or left >= page[2] or top <= page[1] or bottom >= page[3]:
            return True
        if _has_no_size(textpage, middle):
            return True
        if not _has_no_ink(textpage, middle) or (self._picture is None and self._drawn == _MOST_DRAWN):
            return False
        return self._is_one_colour([found for glyph in glyphs if (found := _box(textpage, glyph))])

    def _is_one_colour(self, boxes: Sequence[tuple[float, float, float, float]]) -> bool:
        page = self._draw()
        height, width = page.shape[:2]
        scale = height / (self._bounds[3] - self._bounds[1])
        left = min(box[0] for box in boxes) - self._bounds[0]
        right = max(box[2] for box in boxes) - self._bounds[0]
        bottom = min(box[1] for box in boxes) - self._bounds[1]
        top = max(box[3] for box in boxes) - self._bounds[1]
        rows = slice(max(0, int(height - top * scale)), max(1, int(height - bottom * scale) + 1))
        columns = slice(max(0, int(left * scale)), min(width, int(right * scale) + 1))
        place = page[rows, columns]
        return bool(place.size == 0 or int(place.max()) - int(place.min()) < _ONE_COLOUR)

    def _draw(self) -> npt.NDArray[np.uint8]:
        if self._picture is None:
            self._drawn += 1
            width, height = self._bounds[2] - self._bounds[0], self._bounds[3] - self._bounds[1]
            scale = min(_SCALE, (_MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
            upright = -self._page.get_rotation() % 360  # boxes are told as if the page was not turned
            drawn = self._page.render(scale=scale, grayscale=True, rotation=upright)
            self._picture = drawn.to_numpy().copy()
        return self._picture


def _box(textpage: Any, glyph: int) -> tuple[float, float, float, float] | None:
    """Left, bottom, right, top in points; None for a space, which has none."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    if not pdfium.FPDFText_GetCharBox(textpage, glyph, left, right, bottom, top):
        return None
    if left.value == right.value and bottom.value == top.value:
        return None
    return left.value, bottom.value, right.value, top.value


def _has_no_size(textpage: Any, glyph: int) -> bool:
    """By the box of its font's tallest letters: a full stop is always low."""
    box = pdfium.FS_RECTF()
    if not pdfium.FPDFText_GetLooseCharBox(textpage, glyph, box):
        return False
    return bool(0 < max(abs(box.top - box.bottom), abs(box.right - box.left)) < _LOWEST)


def _has_no_ink(textpage: Any, glyph: int) -> bool:
    """Whether a glyph is drawn white, transparent, or not at all."""
    drawn = pdfium.FPDFText_GetTextObject(textpage, glyph)
    if drawn and pdfium.FPDFTextObj_GetTextRenderMode(drawn) in _INVISIBLE:
        return True
    colour = [ctypes.c_uint() for _ in range(4)]
    if not pdfium.FPDFText_GetFillColor(textpage, glyph, *colour):
        return False
    red, green, blue, alpha = (part.value for part in colour)
    return min(red, green, blue) >= _WHITE or alpha < _CLEAR
