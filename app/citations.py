"""Numbers in brackets are checked while the answer streams: one that no source has never reaches anybody."""

import re
import unicodedata

from app.schemas import Sentence
from ingest.sentences import sentences

_OPEN, _CLOSE = "[【［〔", "]】］〕"
_DASHES = r"~‐-―−～\-"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef"
)
"""Nobody sees them among the digits."""
_SEPARATORS = rf"{_INVISIBLE}\s\\*^#&+/|,;،؛、，；{_DASHES}"
_WORDS = "|".join(
    (
        "and sources? src refs? references? docs? documents? und quellen? dokumente? et y e i и fuentes? "
        "font[ei] источники? مصدر و 来源 來源 资料 資料 文档 出典 出处 和 と 및 출처"
    ).split()
)
"""What models write beside the numbers: "[Source 3]", "[1 und 2]", "[来源1]"."""
_OTHER_CHARS = 40
"""Brackets with more than this that are not all numbers are text."""
_CONTENT = rf"(?:[{_SEPARATORS}\d]*|[^{re.escape(_OPEN + _CLOSE)}]{{0,{_OTHER_CHARS}}})"
_GAP = "[ \t\u00a0]*"
_GROUP = re.compile(rf"(?P<gap>{_GAP})[{re.escape(_OPEN)}](?P<content>{_CONTENT})[{re.escape(_CLOSE)}]")
_OWN = re.compile(rf"(?<![A-Za-z0-9_)\]]){_GROUP.pattern}")
"""In a document: a place in an array is none."""
_BEGUN = re.compile(rf"{_GAP}(?:[{re.escape(_OPEN)}]{_CONTENT})?$")
_CITATION = re.compile(
    rf"(?=\D*\d)(?:\d|[{_SEPARATORS}]|(?:{_WORDS})[.:]?(?![^\W\d]))*(?:[:\d]*†.*)?", re.IGNORECASE | re.DOTALL
)
"""What stands in the brackets of a citation; "3†L1-L5" is a form that some models were trained on."""
_NUMBERS = re.compile(rf"(\d+)(?:\s*[{_DASHES}]\s*\^?(\d+))?")
_MOST_DIGITS = 9
_LEADING = re.compile(r"^(?:\s*\[\d+\])+")
_MARK = re.compile(r"\s*\[(\d+)\]")
_ITEM = re.compile(r"\d{1,3}[.)]|[-*•–]")
"""Begins an item of a list."""


class CitationFilter:
    """Pass text on as it comes; hold back what may become a citation, then keep only known numbers.

    Any division of the same text into pieces gives the same output.
    """

    def __init__(self, sources: int) -> None:
        """Sources are numbered 1 to `sources`."""
        self._sources = sources
        self._held = ""
        self.removed = 0
        """Numbers that were written and that no source has."""

    def feed(self, piece: str) -> str:
        """What can be shown after this piece."""
        text = self._held + piece
        begun = _BEGUN.search(text)
        assert begun is not None  # it matches nothing at the end, too
        self._held = text[begun.start() :]
        return _GROUP.sub(self._check, text[: begun.start()])

    def end(self) -> str:
        """What was still held back; a citation that was never closed is checked like any other."""
        held, self._held = self._held, ""
        closed = _GROUP.fullmatch(held + "]")
        return self._check(closed) if closed and _cites(closed) else held

    def _check(self, group: re.Match[str]) -> str:
        if not _cites(group):
            return group[0]
        kept: dict[int, None] = {}
        for first, last in _NUMBERS.findall(_visible(group["content"]).partition("†")[0]):
            ends = {self._number(first), self._number(last or first)}
            self.removed += sum(not 1 <= end <= self._sources for end in ends)
            kept.update(dict.fromkeys(range(max(1, min(ends)), min(self._sources, max(ends)) + 1)))
        marks = "".join(f"[{number}]" for number in kept)
        return marks and group["gap"] + marks

    def _number(self, digits: str) -> int:
        """Digits of any script; more of them than any source has are not worth reading."""
        return int(digits) if len(digits) <= _MOST_DIGITS else self._sources + 1


def disarm(text: str) -> str:
    """A document's own numbers in parentheses, so that nobody takes them for ours.

    >>> disarm("Rain is wet [3]. See [note] and rain[0].")
    'Rain is wet (3). See [note] and rain[0].'
    """
    return _OWN.sub(
        lambda group: "{gap}({content})".format(**group.groupdict()) if _cites(group) else group[0], text
    )


def cited_sentences(text: str) -> list[Sentence]:
    """A checked answer taken apart: each sentence with the numbers that stand in it or right behind it.

    >>> [(s.text, s.citations) for s in cited_sentences("It rains [1]. Take a coat. [2][1] Go.")]
    [('It rains.', [1]), ('Take a coat.', [2, 1]), ('Go.', [])]
    """
    found: list[Sentence] = []
    item = ""
    for begin, end in sentences(text):
        piece = text[begin:end]
        leading = _LEADING.match(piece)
        if leading and found:
            found[-1] = _citing(found[-1].text, found[-1].citations + _marks(leading[0]))
            piece = piece[leading.end() :]
        plain = _MARK.sub("", piece).strip()
        if _ITEM.fullmatch(plain):
            item = f"{plain} "
        elif plain:
            found.append(_citing(item + plain, _marks(piece)))
            item = ""
    return found


def _cites(group: re.Match[str]) -> bool:
    return _CITATION.fullmatch(_visible(group["content"])) is not None


def _visible(content: str) -> str:
    """As it is read, digits on a line: raised and circled ones are digits too."""
    return unicodedata.normalize("NFKC", re.sub(f"[{_INVISIBLE}]", "", content))


def _marks(text: str) -> list[int]:
    return [int(number) for number in _MARK.findall(text)]


def _citing(text: str, numbers: list[int]) -> Sentence:
    return Sentence(text=text, citations=list(dict.fromkeys(numbers)))
