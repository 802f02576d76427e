"""pdf -> elements by pypdfium2: 100 times the speed of unstructured's reader, and it says what fails."""

import ctypes
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.errors import PasswordProtected, UnreadableFile
from ingest.parse.scan import read_pictures
from ingest.parse.sight import Sight
from ingest.records import Element

log = logging.getLogger(__name__)

_HEADING_SIZE = 1.15
"""Letters this much larger than the document's usual ones make a heading."""
_HEADING_CHARS = 160
_RUNNING_PAGES = 4
"""In fewer pages a line that comes again may be content."""
_SHORT_LINE = 0.7
"""A line shorter than this share of the page's longest, and ended, ends its paragraph."""
_ENDED = re.compile(r"[.!?:。！？؟।」』)）\]\"”»]\s*$")
_LEADERS = re.compile(r"(?:[.·…_]\s?){5,}")
_CONTENTS = re.compile(r"…\s*\d+$")
"""A line of a table of contents."""
_ARABIC = re.compile(r"[\u0621-\u064a\u066e-\u06d3]{2,}")
_LATIN_ARABIC = re.compile(r"(?<=[A-Za-z])(?=[\u0590-\u06ff])")
"""Where a space was lost when the line was turned around; never a word in either script."""
_ROW_WORDS = 5
_BULLET = re.compile(r"^\s*(?:[•‣◦▪●■–*·-]|\(?[0-9a-zA-Z]{1,3}[.)])\s")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_NO_TITLE = re.compile(r"^(untitled|microsoft |.*\.(docx?|indd|tex|pdf|p65|qxd)$)|^\W*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    """Of its first letter, in half points; 0 if the line does not run upright, as in a margin."""
    page: int
    is_row: bool = False
    """Mostly numbers, and so is a line beside it: a table."""
    unseen: bool = False


def read_pdf(path: Path, name: str) -> list[Element]:
    """Headings (by letter size), paragraphs and their pages; pictures of pages through OCR, if it is there.

    Raises PasswordProtected, UnreadableFile if it is damaged, NoText if nothing is on its pages.
    """
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise PasswordProtected(f"{name} is protected by a password: save it without one") from error
        raise UnreadableFile(f"{name} is damaged ({error}): get an undamaged copy") from error
    with document:
        sight = Sight()
        lines = [line for number in range(len(document)) for line in _page_lines(document, number, sight)]
        title = (document.get_metadata_dict().get("Title") or "").strip("\0 ")
        elements = list(_elements(lines)) if lines else []
        elements += read_pictures(document, name, {line.page for line in lines})
    elements.sort(key=lambda element: element.page or 0)
    if title and not _NO_TITLE.match(title) and title != elements[0].text:
        elements.insert(0, Element("title", title, page=1))
    return elements


def _page_lines(document: pypdfium2.PdfDocument, number: int, sight: Sight) -> Iterator[_Line]:
    try:
        page = document[number]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        log.warning("page %d can't be read, the others are", number + 1)
        return
    sight.turn_to(page)
    at = 0
    for line in textpage.get_text_range().splitlines(keepends=True):
        text = line.strip()
        if text:
            glyphs = _glyphs(textpage, at + len(line) - len(line.lstrip()), len(text))
            if _is_named(textpage, glyphs):
                yield _Line(
                    _readable(_in_order(textpage, text, glyphs)),
                    _size(textpage, glyphs[0]),
                    number + 1,
                    unseen=sight.misses(textpage, glyphs),
                )
        at += len(line)
    textpage.close()


def _glyphs(textpage: Any, start: int, length: int) -> list[int]:
    """pdfium's numbers of the characters of a piece of the page's text: it leaves some out of the text."""
    first = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, start)
    return list(range(first, first + length))


def _is_named(textpage: Any, glyphs: list[int]) -> bool:
    """Whether the font says which letters its glyphs are; if not, pdfium gives their numbers as text."""
    few = (glyphs[0], glyphs[len(glyphs) // 2], glyphs[-1])
    return [pdfium.FPDFText_HasUnicodeMapError(textpage, glyph) for glyph in few].count(1) < 2


def _size(textpage: Any, glyph: int) -> float:
    if pdfium.FPDFText_GetCharAngle(textpage, glyph) != 0:
        return 0.0
    return round(2 * float(pdfium.FPDFText_GetFontSize(textpage, glyph))) / 2


def _in_order(textpage: Any, text: str, glyphs: list[int]) -> str:
    """pdfium turns Arabic around letter by letter, also the letters that one glyph stands for (لا)."""
    letters = list(text)
    for word in _ARABIC.finditer(text):
        for _, same in groupby(range(*word.span()), key=lambda at: _origin(textpage, glyphs[at])):
            places = list(same)
            letters[places[0] : places[-1] + 1] = [letters[at] for at in reversed(places)]
    return "".join(letters)


def _origin(textpage: Any, glyph: int) -> tuple[float, float]:
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(textpage, glyph, x, y)
    return x.value, y.value


def _readable(text: str) -> str:
    text = _LEADERS.sub(" … ", text)
    return " ".join(_LATIN_ARABIC.sub(" ", text).split())


def _elements(lines: list[_Line]) -> Iterator[Element]:
    """Lines -> headings, paragraphs and rows of numbers."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += 0 if line.unseen else len(line.text)
    usual = sizes.most_common(1)[0][0]
    larger = sorted(
        {line.size for line in lines if line.size > usual * _HEADING_SIZE and _may_head(line)}, reverse=True
    )
    repeated = _running_heads(lines)
    for group in _paragraphs(_with_rows([line for line in lines if line.text not in repeated]), set(larger)):
        size, page = group[0].size, group[0].page
        if group[0].unseen:
            yield Element("text", _join([line.text for line in group]), page=page, unseen=True)
            continue
        if group[0].is_row:
            yield Element("table", "\n".join(line.text for line in group), page=page)
            continue
        text = _join([line.text for line in group])
        if size in larger and len(text) <= _HEADING_CHARS and any(map(str.isalpha, text)):
            yield Element("title", text, depth=larger.index(size), page=page)
        elif text:
            yield Element("text", text, page=page)


def _may_head(line: _Line) -> bool:
    return len(line.text) <= _HEADING_CHARS and sum(map(str.isalpha, line.text)) > 1


def _with_rows(lines: list[_Line]) -> list[_Line]:
    numeric = [False, *(_is_numeric(line.text) for line in lines), False]
    return [
        replace(line, is_row=numeric[at] and (numeric[at - 1] or numeric[at + 1]))
        for at, line in enumerate(lines, 1)
    ]


def _is_numeric(text: str) -> bool:
    words = text.split()
    return len(words) >= _ROW_WORDS and 2 * sum(word[-1].isdigit() for word in words) > len(words)


def _running_heads(lines: list[_Line]) -> set[str]:
    """Lines that stand on most pages: heads, feet, watermarks."""
    pages = {line.page for line in lines}
    if len(pages) < _RUNNING_PAGES:
        return set()
    on_pages = Counter(text for text, _ in {(line.text, line.page) for line in lines})
    return {text for text, number in on_pages.items() if number > len(pages) / 2}


def _paragraphs(lines: list[_Line], headings: set[float]) -> Iterator[list[_Line]]:
    """Lines that belong together: one size, one page or a sentence that goes on over the page."""
    group: list[_Line] = []
    longest = 0
    for line in lines:
        if group and _breaks(group[-1], line, longest, headings):
            yield group
            group, longest = [], 0
        group.append(line)
        longest = max(longest, len(line.text))
    if group:
        yield group


def _breaks(above: _Line, line: _Line, longest: int, headings: set[float]) -> bool:
    if above.is_row != line.is_row or above.unseen != line.unseen:
        return True
    if line.is_row:
        return above.page != line.page
    if _CONTENTS.search(above.text):
        return True
    ended = bool(_ENDED.search(above.text))
    if above.size != line.size and (above.size in headings or line.size in headings):
        return True
    if above.page != line.page:
        return ended or above.size in headings
    return bool(_BULLET.match(line.text)) or (ended and len(above.text) < _SHORT_LINE * longest)


def _join(lines: list[str]) -> str:
    """One paragraph: divided words put together, no space between characters that take none."""
    text = lines[0]
    for line in lines[1:]:
        if text.endswith(("\ufffe", "\u00ad")) or (
            text[-1:] == "-" and text[-2:-1].islower() and line[0].islower()
        ):
            text = text[:-1] + line
        elif _UNSPACED.match(text[-1:]) and _UNSPACED.match(line):
            text += line
        else:
            text += " " + line
    return text
