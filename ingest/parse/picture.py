"""A page of a pdf -> a picture of it, never larger than a screen can use."""

import io
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageDraw

from ingest.errors import PasswordProtected, UnknownPage, UnreadableFile, UnsupportedFile
from ingest.parse.formats import format_of
from ingest.parse.highlight import Rectangle, rectangles
from ingest.records import Picture

LONGEST_SIDE = 1600
"""Pixels: small print can be read; some 200 kB for a page of text, 8 MB in memory for any."""


_MARKER = (255, 224, 130)
"""Red, green and blue of what is highlighted: a pen's, dark letters stay dark under it."""


def render(path: Path, name: str, number: int, passage: str = "") -> Picture:
    """The page `number` (1-based), in this process: call it in one with limits (`ingest.worker`).

    What it has of `passage` is highlighted.

    Raises UnsupportedFile for another format, UnknownPage, PasswordProtected, UnreadableFile.
    """
    kind = format_of(path, name)
    if kind != "pdf":
        raise UnsupportedFile(f"{name} is in the format {kind}: only a pdf has pages that can be shown")
    try:
        with pypdfium2.PdfDocument(path) as document:
            pages = len(document)
            if not 1 <= number <= pages:
                raise UnknownPage(f"{name} has no page {number}: it has {pages}")
            page = document[number - 1]
            scale = LONGEST_SIDE / max(page.get_width(), page.get_height(), 1)
            bitmap = page.render(scale=scale, rev_byteorder=True)
            png = io.BytesIO()
            drawn = bitmap.to_pil().convert("RGB")
            if passage:
                drawn = _highlighted(drawn, bitmap.get_posconv(page), rectangles(page, passage))
            drawn.save(png, "PNG")
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise PasswordProtected(f"{name} is protected by a password: save it without one") from error
        raise UnreadableFile(f"{name}: page {number} can't be shown ({error})") from error
    return Picture(png.getvalue(), pages)


def _highlighted(drawn: Image.Image, places: pypdfium2.PdfPosConv, found: Sequence[Rectangle]) -> Image.Image:
    marks = Image.new("RGB", drawn.size, "white")
    pen = ImageDraw.Draw(marks)
    for left, top, right, bottom in found:
        corners = [places.to_bitmap(left, top), places.to_bitmap(right, bottom)]
        across, down = zip(*corners, strict=True)  # a page may lie on its side
        pen.rectangle((min(across), min(down), max(across), max(down)), fill=_MARKER)
    return ImageChops.multiply(drawn, marks)
