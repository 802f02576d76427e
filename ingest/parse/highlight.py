"""Where a passage stands on a page of a pdf: its letters looked for among the page's, white space aside."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pypdfium2.raw as pdfium

from ingest.sentences import sentences

_FEWEST = 12
"""Letters of a sentence that goes on from, or on to, another page; fewer may stand anywhere."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in the page's own points, counted from its lower left corner."""


def rectangles(page: Any, passage: str) -> list[Rectangle]:
    """One for each line, or part of one, that `passage` takes up; none where it is not found."""
    textpage = page.get_textpage()
    letters, glyphs = _letters(textpage)
    found: list[Rectangle] = []
    at = 0
    for wanted in filter(None, (_squeezed(passage[begin:end]) for begin, end in sentences(passage))):
        place = _place(letters, wanted, at)
        if place is not None:
            begin, at = place
            found += _lines(textpage, glyphs[begin], glyphs[at - 1])
    textpage.close()
    return found


def _letters(textpage: Any) -> tuple[str, list[int]]:
    """The page's letters and digits, and pdfium's number of the glyph that each is from."""
    letters: list[str] = []
    glyphs: list[int] = []
    for glyph in range(textpage.count_chars()):
        for letter in _squeezed(chr(pdfium.FPDFText_GetUnicode(textpage, glyph))):
            letters.append(letter)
            glyphs.append(glyph)
    return "".join(letters), glyphs


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _place(letters: str, wanted: str, at: int) -> tuple[int, int] | None:
    """Where it begins and ends, at `at` or later, else anywhere; its beginning or end if not the whole."""
    for start in (at, 0):
        if (begin := letters.find(wanted, start)) >= 0:
            return begin, begin + len(wanted)
    if (fits := _most(lambda length: letters.endswith(wanted[:length]), len(wanted))) >= _FEWEST:
        return len(letters) - fits, len(letters)
    if (fits := _most(lambda length: letters.startswith(wanted[-length:]), len(wanted))) >= _FEWEST:
        return 0, fits
    return None


def _most(holds: Callable[[int], bool], longest: int) -> int:
    return next((length for length in range(longest, _FEWEST - 1, -1) if holds(length)), 0)


def _lines(textpage: Any, first: int, last: int) -> Iterator[Rectangle]:
    for number in range(textpage.count_rects(first, last - first + 1)):
        left, bottom, right, top = textpage.get_rect(number)
        yield left, top, right, bottom
