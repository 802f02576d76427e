"""Where sentences begin and end, in any script."""

import re

_CLOSERS = r"""(?:["'”“’»«」』）)\]]|[^\S\n]»(?=\s|$))*+(?:\[\d+\])*+"""
"""Stay with the sentence: quotation marks (in French after a space), brackets, numbers of notes."""
_END = re.compile(
    rf"""
    (?P<hard>[。！？｡।॥།։؟۔።။៕]++{_CLOSERS}(?!(?<=[」』])[とっ]))  # anywhere; but 「…。」と言う goes on
    | (?P<soft>(?<![.!?…])[.!?…]++{_CLOSERS})(?=\s)               # if what follows begins one
    | (?P<line>(?<!\s)[^\S\n]*+\n\s*)                             # a line of its own: list, table, verse
    | (?P<phrase>(?<=[\u0e00-\u0eff])[^\S\n]++(?=[\u0e00-\u0eff]))  # Thai and Lao mark phrases by spaces
    """,
    re.VERBOSE,
)
_NEVER_LAST = frozenset(
    "a.m approx bd bzw ca cf d.h dr dra e.g ebd ed eds hr i.e lic mme mr mrs ms mt p.m prof sr sra st "
    "u.a v.a vgl vs z.b м.б т.д т.е т.к т.п".split()
)
"""Abbreviations that something follows."""
_BEFORE_NUMBERS = frozenset(
    "abs al art chap ff fig figs kap n no nr num núm p pp s sec str tab vol г гл п рис с см ст стр".split()
)
"""Abbreviations before a number; without one after them they may be words: no, art, sec."""
_PHRASE_CHARS = 60
"""A Thai phrase shorter than this is joined with the next."""
_WORD_CHARS = 30
_NEXT = re.compile(r"\s*[\"'“‘«„(\[¿¡]*(\S)")
_WORD_BEFORE = re.compile(r"[^\s(\[]+$")
_INITIALS = re.compile(r"(?:\w\.)*[^\W\d_]")
_ORDINAL = re.compile(r"\d{1,2}")


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences, in characters, in order; together they hold all but white space.

    >>> text = "See e.g. Dr. Wu. He said 3.5! 好。是吗？"
    >>> [text[begin:end] for begin, end in sentences(text)]
    ['See e.g. Dr. Wu.', 'He said 3.5!', '好。', '是吗？']
    """
    spans: list[tuple[int, int]] = []
    begin = 0
    for match in _END.finditer(text):
        if match["soft"] and not _ends(text, begin, match):
            continue
        if match["phrase"] and match.start() - begin < _PHRASE_CHARS:
            continue
        _add(text, begin, match.start() if match["line"] else match.end(), spans)
        begin = match.end()
    _add(text, begin, len(text), spans)
    return spans


def _ends(text: str, begin: int, match: re.Match[str]) -> bool:
    """Whether . ! ? … ends a sentence here: not after an abbreviation, not before a small letter."""
    following = _NEXT.match(text, match.end())
    if following and following[1].islower():
        return False
    if not match["soft"].startswith(".") or match["soft"].startswith(".."):
        return True
    word = _WORD_BEFORE.search(text, max(begin, match.start() - _WORD_CHARS), match.start())
    if word is None:
        return True
    before = word[0].strip("\"'“”‘’«»„").lower()
    if before in _BEFORE_NUMBERS and following and following[1].isdigit():
        return False
    if _ORDINAL.fullmatch(before):  # 3. Oktober; 1. at the head of a paragraph; but: in room 12. 14 was …
        return following is not None and not following[1].isalpha()
    return before not in _NEVER_LAST and not _INITIALS.fullmatch(before)


def _add(text: str, begin: int, end: int, spans: list[tuple[int, int]]) -> None:
    piece = text[begin:end]
    stripped = piece.strip()
    if stripped:
        begin += len(piece) - len(piece.lstrip())
        spans.append((begin, begin + len(stripped)))
