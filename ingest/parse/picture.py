"""A page of a pdf -> a picture of it, never larger than a screen can use."""

import io
from pathlib import Path

import pypdfium2

from ingest.errors import PasswordProtected, UnknownPage, UnreadableFile, UnsupportedFile
from ingest.parse.formats import format_of
from ingest.records import Picture

LONGEST_SIDE = 1600
"""Pixels: small print can be read; some 200 kB for a page of text, 8 MB in memory for any."""


def render(path: Path, name: str, number: int) -> Picture:
    """The page `number` (1-based), in this process: call it in one with limits (`ingest.worker`).

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
            bitmap.to_pil().convert("RGB").save(png, "PNG")
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise PasswordProtected(f"{name} is protected by a password: save it without one") from error
        raise UnreadableFile(f"{name}: page {number} can't be shown ({error})") from error
    return Picture(png.getvalue(), pages)
