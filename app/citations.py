"""Numbers in brackets are checked while the answer streams: one that no source has never reaches anybody."""

import re

from app.schemas import Sentence
from ingest.sentences import sentences

_OPEN, _CLOSE = "[【", "]】"
_GROUP = re.compile(r"[\[【]\s*\^?\d+(?:\s*[,;–-]\s*\^?\d+)*\s*[\]】]")
_BEGUN = re.compile(r"[\[【][\s\d,;^–-]{0,40}$")
_NUMBERS = re.compile(r"(\d+)(?:\s*[–-]\s*\^?(\d+))?")
_LONGEST_RANGE = 100
_LEADING = re.compile(r"^(?:\s*\[\d+\])+")
_MARK = re.compile(r"\s*\[(\d+)\]")


class CitationFilter:
    """Pass text on as it comes; hold back what may become a citation, then keep only known numbers.

    Any division of the same text into pieces gives the same output.
    """

    def __init__(self, sources: int) -> None:
        """Sources are numbered 1 to `sources`."""
        self._sources = sources
        self._held = ""
        self.removed = 0
        """Numbers that no source has."""

    def feed(self, piece: str) -> str:
        """What can be shown after this piece."""
        text = self._held + piece
        begun = _BEGUN.search(text)
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return _GROUP.sub(self._check, text[:cut])

    def end(self) -> str:
        """What was held back and turned out to be text."""
        text, self._held = self._held, ""
        return text

    def _check(self, group: re.Match[str]) -> str:
        kept: dict[int, None] = {}
        for first, last in _NUMBERS.findall(group[0]):
            numbers = range(int(first), int(last or first) + 1)
            known = [n for n in numbers[:_LONGEST_RANGE] if 1 <= n <= self._sources]
            self.removed += len(numbers) - len(known)
            kept.update(dict.fromkeys(known))
        return "".join(f"[{number}]" for number in kept)


def cited_sentences(text: str) -> list[Sentence]:
    """An answer taken apart: each sentence with the numbers that stand in it or right behind it.

    >>> [(s.text, s.citations) for s in cited_sentences("It rains [1]. Take a coat. [2][1] Go.")]
    [('It rains.', [1]), ('Take a coat.', [2, 1]), ('Go.', [])]
    """
    found: list[Sentence] = []
    for begin, end in sentences(text):
        piece = text[begin:end]
        leading = _LEADING.match(piece)
        if leading and found:
            more = [int(number) for number in _MARK.findall(leading[0])]
            found[-1] = found[-1].model_copy(update={"citations": _unique(found[-1].citations + more)})
            piece = piece[leading.end() :]
        plain = _MARK.sub("", piece).strip()
        if plain:
            numbers = [int(number) for number in _MARK.findall(piece)]
            found.append(Sentence(text=plain, citations=_unique(numbers)))
    return found


def _unique(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))
