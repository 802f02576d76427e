"""Where sentences begin and end, in any script."""

import re

_END = re.compile(
    r"""
    (?P<hard>[。！？｡।॥։؟۔።။៕]+["'”’»」』）)\]]*)           # ends a sentence wherever it stands
    | (?P<soft>[.!?…]+["'”’»」』）)\]]*)(?=\s)                # ends one if what follows begins one
    | (?P<line>[^\S\n]*\n\s*)                                # a line of its own: list, table, verse
    | (?P<phrase>(?<=[\u0e00-\u0eff])[^\S\n]+(?=[\u0e00-\u0eff]))  # Thai and Lao mark phrases by spaces
    """,
    re.VERBOSE,
)
_ABBREVIATIONS = frozenset(
    "al approx art bd bzw ca cf co dr ebd ed eds etc fig ff figs hr inc jr lic ltd mme mr mrs ms nr no núm p "
    "pp par prof s sec sr sra st str tab vgl vol vs z.b d.h u.a i.e e.g a.m p.m т.е т.д т.п см стр г".split()
)
_PHRASE_CHARS = 60
"""A Thai phrase shorter than this is joined with the next."""
_WORD_CHARS = 30
_NEXT = re.compile(r"\s*(\S)")
_WORD_BEFORE = re.compile(r"[^\s(\[]+$")


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
    if match["soft"] != ".":
        return True
    word = _WORD_BEFORE.search(text, max(begin, match.start() - _WORD_CHARS), match.start())
    if word is None:
        return True
    before = word[0].strip("\"'“”‘’«»").lower()
    return not (before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha()))


def _add(text: str, begin: int, end: int, spans: list[tuple[int, int]]) -> None:
    piece = text[begin:end]
    stripped = piece.strip()
    if stripped:
        begin += len(piece) - len(piece.lstrip())
        spans.append((begin, begin + len(stripped)))
