"""Where the words of a query stand in a text, in any script."""

import re
from itertools import pairwise

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Thai, Lao, Burmese, Khmer, kana, Chinese: words are not set apart, so pairs of characters stand in."""
_SHORTEST = 4
"""Shorter words of spaced scripts are mostly particles, unless they hold a digit or are in capitals."""
_STEM = 5
"""Words that begin alike this far are taken for forms of one word."""


def marks(text: str, query: str) -> list[tuple[int, int]]:
    """Spans of `text`, in characters, that hold words of `query`; in order, never overlapping.

    >>> marks("Refunds take 14 days.", "refund within days")
    [(0, 7), (16, 20)]
    """
    pairs = {a + b for run in _UNSPACED.findall(query) for a, b in pairwise(run)}
    words = {word.casefold() for word in _WORD.findall(_UNSPACED.sub(" ", query)) if _says_something(word)}
    stems = {word[:_STEM] for word in words if len(word) >= _STEM}
    spans = [
        match.span()
        for match in _WORD.finditer(_UNSPACED.sub(lambda run: " " * len(run[0]), text))
        if (word := match[0].casefold()) in words or (len(word) >= _STEM and word[:_STEM] in stems)
    ]
    spans += [(at, at + 2) for at in range(len(text) - 1) if text[at : at + 2] in pairs]
    return _merge(sorted(spans))


def _says_something(word: str) -> bool:
    return len(word) >= _SHORTEST or (len(word) > 1 and (word.isupper() or word.isdigit()))


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
