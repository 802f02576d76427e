"""Word's numbered paragraphs -> the numbers a reader sees: `2.1`, `b)`, `IV.`, counted as Word counts."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ingest.parse.ooxml import child, local, value

_DEEPEST = 9
_PLACE = re.compile(r"%([1-9])")
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        "m cm d cd c xc l xl x ix v iv i".split(),
        strict=True,
    )
)
_LARGEST_ROMAN = 4000


@dataclass(frozen=True, slots=True)
class Numbered:
    """Which list a paragraph is in, and how deep."""

    list: str
    """Word's numId; "0" takes a paragraph out of the list of its style."""
    level: int


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    text: str
    """`%1.%2)`: the places of the numbers of this level and those above."""
    start: int
    restarts_after: int
    """The 1-based level whose paragraphs begin it anew, as do those above it; 0 if none does."""


class Numbering:
    """The lists of one document, with where each has got to. `label` wants every paragraph, in order."""

    def __init__(self, root: Any | None) -> None:
        """`root`: of numbering.xml, None in a document without."""
        schemes: dict[str, dict[int, _Level]] = {}
        self._scheme: dict[str, str] = {}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._anew: dict[str, set[int]] = defaultdict(set)
        self._linked: dict[tuple[str, str], int] = {}
        """Scheme and style -> level."""
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        for part in root if root is not None else ():
            if local(part) == "abstractNum":
                scheme = value(part, "abstractNumId")
                schemes[scheme] = _levels(part)
                for level in part:
                    if (style := child(level, "pStyle")) is not None:
                        self._linked[scheme, value(style)] = _number(value(level, "ilvl"), 0)
            elif local(part) == "num":
                id_, scheme = value(part, "numId"), value(child(part, "abstractNumId"))
                self._scheme[id_] = scheme
                self._levels[id_] = dict(schemes.get(scheme, {}))
                self._override(id_, part)

    def label(self, numbered: Numbered | None) -> str:
        """What stands before the paragraph; "" for bullets and where the list is not known."""
        levels = self._levels.get(numbered.list) if numbered else None
        if numbered is None or not levels or (level := levels.get(numbered.level)) is None:
            return ""
        counts = self._counts[self._scheme[numbered.list]]
        if numbered.level in counts and numbered.level not in self._anew[numbered.list]:
            counts[numbered.level] += 1
        else:
            counts[numbered.level] = level.start
        self._anew[numbered.list].discard(numbered.level)
        for deeper in [at for at in counts if at > numbered.level]:
            if deeper in levels and numbered.level < levels[deeper].restarts_after:
                del counts[deeper]
        if level.format in ("bullet", "none"):
            return ""

        def number(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            above = levels.get(at)
            return _written(counts.get(at, above.start), above.format) if above else ""

        return _PLACE.sub(number, level.text).strip()

    def of(self, about: Any, above: Numbered | None, style: str = "") -> Numbered | None:
        """What a paragraph's or a style's properties say; `above` is what its style, or a style's own, says.

        `style` is the style's id: a level can name the style it is for.
        """
        own = child(about, "numPr")
        if own is None:
            return above
        id_ = value(child(own, "numId")) or (above.list if above else "")
        level = value(child(own, "ilvl"))
        if not level and style:
            return Numbered(id_, self._linked.get((self._scheme.get(id_, ""), style), 0))
        return Numbered(id_, _number(level, above.level if above else 0))

    def _override(self, id_: str, part: Any) -> None:
        """A list may have levels of its own, and begin anew."""
        for change in part:
            if local(change) != "lvlOverride":
                continue
            self._levels[id_] |= _levels(change)
            at = _number(value(change, "ilvl"), 0)
            start = child(change, "startOverride")
            if start is not None and (level := self._levels[id_].get(at)):
                begins = _number(value(start), level.start)
                self._levels[id_][at] = _Level(level.format, level.text, begins, level.restarts_after)
                self._anew[id_].add(at)


def _levels(part: Any) -> dict[int, _Level]:
    found = {}
    for level in part:
        at = _number(value(level, "ilvl"), 0) if local(level) == "lvl" else _DEEPEST
        if at < _DEEPEST:
            found[at] = _Level(
                format=value(child(level, "numFmt")) or "decimal",
                text=value(child(level, "lvlText")),
                start=_number(value(child(level, "start")), 0),
                restarts_after=_number(value(child(level, "lvlRestart")), at),
            )
    return found


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


def _written(number: int, format_: str) -> str:
    """In the formats that are more than a few documents use; others as digits."""
    if format_.endswith("Letter") and number > 0:  # a … z, aa, bb
        text = chr(ord("a") + (number - 1) % 26) * min(1 + (number - 1) // 26, 8)
    elif format_.endswith("Roman") and 0 < number < _LARGEST_ROMAN:
        text = ""
        for worth, sign in _ROMAN:
            text += sign * (number // worth)
            number %= worth
    elif format_ == "decimalZero":
        text = f"{number:02}"
    else:
        text = str(number)
    return text.upper() if format_.startswith("upper") else text
