"""Text -> the terms that lexical search compares, by script alone: no language is asked or guessed

A query is too short to tell its language, and a collection holds many. So nothing here depends on one: a
word gives itself and its four-letter pieces, which stand in for stems, parts of compounds and misspellings
in every language at once; where words are not set apart, short runs of characters stand in for them.
`python -m benchmarks.lexical` has the figures, docs/lexical.md what was tried instead.
"""

import unicodedata
from typing import Literal, cast

import regex

ANALYSIS_VERSION = "1"
"""Part of a collection's contract: other terms need other vectors."""

Kind = Literal["word", "signs", "letters"]

_INSIDE = "\u00ad\u200d\u200e\u200f\u2060"
"""May stand within a word unseen: soft hyphen, joiners, marks of direction."""
_SIGNS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Yi}ー"
_LETTERS = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_RUN = regex.compile(
    rf"""
    (?P<signs>[{_SIGNS}]+)
    | (?P<letters>[{_LETTERS}]+)
    | (?P<word>[\p{{L}}\p{{N}}](?:(?![{_SIGNS}{_LETTERS}])[\p{{L}}\p{{M}}\p{{N}}{_INSIDE}])*+)
    """,
    regex.VERBOSE,
)
_SIZES: dict[str, tuple[int, int]] = {"signs": (1, 2), "letters": (2, 3)}
"""Lengths of the runs that stand in for words. Signs carry meaning alone (Chinese, Japanese, Korean), the
letters of Thai, Lao, Khmer and Burmese do not."""
_PER_WORD: dict[str, int] = {"signs": 2, "letters": 4}
"""Characters that count as one word of length."""
_PIECE = 4
_LONGEST_WORD = 64
"""Letters looked at; what is longer is no word."""
_EDGE, _PIECE_MARK = "_", "~"
"""Neither stands in a word: `~_hau` begins a word, and `~haus` is not the word `haus`."""

_MARKS = regex.compile(r"\p{Mn}+")
_MARKED = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Arabic}\p{Hebrew}]")
"""Scripts whose marks writers leave out; those of India and Ethiopia are vowels."""
_LATIN = regex.compile(r"\p{Latin}")
_ALIKE = str.maketrans(
    {
        **dict.fromkeys(_INSIDE),
        "\u0307": None,  # what casefold leaves of a Turkish İ
        "ı": "i",  # a Turkish I, whose small letter casefold takes for i
        "ـ": None,  # Arabic tatweel
        "ى": "ي",
        "ی": "ي",  # Persian, Urdu
        "ے": "ي",
        "ک": "ك",
        "ہ": "ه",
        "ة": "ه",
    }
)


def runs(text: str) -> list[tuple[str, Kind]]:
    """The words of a text, and its stretches of script without words, in order, caseless.

    >>> runs("Straße 5, 東京タワー")
    [('strasse', 'word'), ('5', 'word'), ('東京タワー', 'signs')]
    """
    caseless = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [(match[0], cast("Kind", match.lastgroup)) for match in _RUN.finditer(caseless)]


def words_in(run: str, kind: Kind) -> float:
    """How long a run is, in words."""
    return 1.0 if kind == "word" else len(run) / _PER_WORD[kind]


def terms(run: str, kind: Kind) -> list[str]:
    """The terms of one run.

    >>> terms("häuser", "word")
    ['häuser', '~_hau', '~haus', '~ause', '~user', '~ser_']
    >>> terms("東京都", "signs")
    ['東', '京', '都', '東京', '京都']
    """
    if kind != "word":
        short, long = _SIZES[kind]
        return _pieces(run, short) + (_pieces(run, long) if len(run) >= long else [])
    word = run[:_LONGEST_WORD].translate(_ALIKE)
    plain = _without_marks(word)
    if not _LATIN.match(word):  # the exact word keeps its marks in Latin: Vietnamese lost 1.6 points without
        word = plain
    return [word, *(_PIECE_MARK + piece for piece in _pieces(f"{_EDGE}{plain}{_EDGE}", _PIECE))]


def _pieces(text: str, size: int) -> list[str]:
    """Every `size` characters in a row; a shorter text is its own only piece."""
    return [text[at : at + size] for at in range(max(1, len(text) - size + 1))]


def _without_marks(word: str) -> str:
    if not _MARKED.match(word):
        return word
    bare = _MARKS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare).translate(_ALIKE)
