"""Bytes in an old encoding that nobody declared -> which one: the one that gives the likeliest letters."""

import codecs
import re
import unicodedata
from collections.abc import Iterator

from ingest import language

_DOUBLE: dict[str, tuple[str, range, range]] = {
    "cp932": ("euc_jp", range(0xB0, 0xD0), range(0xA4, 0xA6)),
    "euc_jp": ("euc_jp", range(0xB0, 0xD0), range(0xA4, 0xA6)),
    "cp949": ("euc_kr", range(0xB0, 0xC9), range(0)),
    "gb18030": ("gb2312", range(0xB0, 0xD8), range(0)),
    "big5": ("big5", range(0xA4, 0xC7), range(0)),
}
"""Encodings by two bytes -> the standard whose lead bytes tell frequent signs from rare ones, the leads of
the frequent ones, those of kana. On a tie the first wins: all Korean could be Chinese, no Chinese Korean."""
_CYRILLIC = ("а-яёА-ЯЁ", "оеаинтсрвлОЕАИНТСРВЛ")
_SINGLE = {
    "cp1251": ("а-яА-ЯЀ-џҐґ", "оеаинтсрвліОЕАИНТСРВЛІ"),
    "koi8_u": ("а-яёА-ЯЁіїєґІЇЄҐ", "оеаинтсрвліОЕАИНТСРВЛІ"),
    "cp866": _CYRILLIC,
    "iso8859_5": ("а-яА-ЯЀ-џ", "оеаинтсрвлОЕАИНТСРВЛ"),
    "mac_cyrillic": _CYRILLIC,
    "cp1253": ("ά-ώΆ-Ώ", "αοιετνσηρπκλίάόύςΑΟΙΕΤΝΣ"),
    "cp1255": ("א-ת", "יוהלאתרשבמם"),
    "cp1256": ("ء-يپچژگکےھٹڈڑ\u064b-\u0652", "اليمونترب"),
    "iso8859_6": ("ء-ي\u064b-\u0652", "اليمونترب"),
    "cp874": ("ก-ฺเ-๎", "กคงดตทนบปมยรลวสหอะาเแไใัิีื่้็์"),
    "cp1252": ("À-ÖØ-öø-ÿŒœŠšŽžŸ", ""),
    "cp1250": ("À-ÖØ-öø-žŁłŔŕ", ""),
    "iso8859_2": ("À-ÖØ-öø-žŁłŔŕ", ""),
    "cp1254": ("À-ÖØ-öø-ÿĞğİıŞşŒœ", ""),
    "cp1257": ("À-ÖØ-öø-ž", ""),
    "cp1258": ("À-ÖØ-öø-ÿĂăĐđƠơƯư\u0300\u0301\u0303\u0309\u0323", ""),
}
"""Encodings by one byte -> letters of their languages, and the frequent ones: the same bytes are letters
of several alphabets, but frequent ones of few."""
_EAST = frozenset("cs hr hu pl ro sk sl sq".split())
_LATIN = {
    "cp1252": frozenset("af ca da de en es et fi fr id it nl no pt sv".split()),
    "cp1250": _EAST,
    "iso8859_2": _EAST,
    "cp1254": frozenset(["tr"]),
    "cp1257": frozenset(["et", "lt", "lv"]),
    "cp1258": frozenset(["vi"]),
}
"""They differ in a few letters only, so the language decides: Czech read as French is noise."""
_ALPHABETS = {
    "cs": "áčďéěíňóřšťúůýž",
    "hr": "čćđšž",
    "hu": "áéíóöőúüű",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "pl": "ąćęłńóśźż",
    "ro": "ăâîşţ",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "sl": "čšž",
}
"""Where a language was written in several encodings, its own letters tell which it was."""
_LANGUAGE_BONUS = 0.3
_PUNCTUATION = frozenset("«»„“”‘’–—…€°§№·\u00a0¿¡")
GUESS_BYTES = 4000
"""So much of the lines that are not ASCII is looked at."""


def guess(telling: bytes) -> str | None:
    """The encoding in which the bytes above ASCII make the likeliest letters; None if there is none.

    `telling`: lines that are not ASCII, the last of them may be cut.
    """
    scores: dict[str, float] = {}
    for encoding in (*_DOUBLE, *_SINGLE):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(telling)
        except UnicodeDecodeError:
            continue
        weigh = _weigh_sign if encoding in _DOUBLE else _weigh_letter
        weights = [weigh(encoding, text, at) for at, character in enumerate(text) if not character.isascii()]
        scores[encoding] = sum(weights) / max(1, len(weights)) + _bonus(encoding, text)
    best = max(scores, key=lambda encoding: scores[encoding], default=None)
    return best if best and scores[best] > 0 else None


def _bonus(encoding: str, text: str) -> float:
    """For a text that is in one of the encoding's languages, as far as its letters are that language's."""
    if encoding not in _LATIN:
        return 0.0
    found = language.detect(unicodedata.normalize("NFC", text))
    if found not in _LATIN[encoding]:
        return 0.0
    letters = [letter for letter in text.lower() if letter.isalpha() and not letter.isascii()]
    own = _ALPHABETS.get(found)
    share = sum(letter in own for letter in letters) / max(1, len(letters)) if own else 1.0
    return _LANGUAGE_BONUS * share


def _weigh_sign(encoding: str, text: str, at: int) -> float:
    """-1 to 1: how likely a sign stands in a text of that encoding."""
    standard, frequent, kana = _DOUBLE[encoding]
    try:
        lead = text[at].encode(standard)[0]
    except UnicodeEncodeError:
        return -1.0
    if lead in kana:
        return 1.2  # Japanese always has some, and Big5 has none of its signs there
    if lead in frequent:
        return 0.8 if kana else 1.0
    return 0.5 if lead in range(0xA1, 0xA4) else -0.5


def _weigh_letter(encoding: str, text: str, at: int) -> float:
    """-1 to 1: how likely a letter stands where it does in a text of that encoding."""
    letters, frequent = _SINGLE[encoding]
    letter, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if letter in _PUNCTUATION:
        return 0.5 if not (before.isalpha() and after.isalpha()) or letter in "’·" else -1.0
    if not re.match(f"[{letters}]", letter):
        return -1.0
    if encoding not in _LATIN and any(beside.isalpha() and beside.isascii() for beside in (before, after)):
        return -1.0
    if unicodedata.combining(letter) and not before.isalpha() and not unicodedata.combining(before or " "):
        return -1.0
    if (letter.isupper() and before.islower()) or (letter == "ς" and after.isalpha()):
        return -1.0
    if letter.isupper() and before.isupper() and after.islower():
        return -1.0
    if encoding in _LATIN:  # accents stand between plain letters; whole words of them are no Latin
        return 1.0 - 0.5 * sum(beside.isalpha() and not beside.isascii() for beside in (before, after))
    return 1.0 if letter in frequent else 0.7


_SPACING = frozenset(" \n\t.,!?;:\u3000\u3001\u3002\uff0c\uff01\uff1f\u060c\u0964\u1362\u0f0b\u00a0")
_SPACING_SHARE = 0.01
_SCRIPTS_SHARE = 0.95


def is_wide(text: str) -> bool:
    """Whether bytes taken for UTF-16 gave a text: spaces or stops, and letters of no more than two scripts.

    Anything can be decoded as UTF-16, and mostly gives signs from everywhere.
    """
    scripts: dict[int, int] = {}
    for script in filter(None, _scripts(text)):
        scripts[script] = scripts.get(script, 0) + 1
    letters = sum(scripts.values())
    common = sum(sorted(scripts.values())[-2:])
    return (
        sum(character in _SPACING for character in text) >= _SPACING_SHARE * len(text)
        and letters > 0
        and common >= _SCRIPTS_SHARE * letters
        and not any(unicodedata.category(character) in ("Cn", "Co", "Cs") for character in text)
    )


def _scripts(text: str) -> Iterator[int]:
    """A number for the script of each character, 0 for what is in all of them."""
    for code in map(ord, text):
        if code < 0x20 and chr(code) not in "\n\r\t\f":
            yield -1
        elif code < 0x41 or 0x2000 <= code < 0x2070 or 0x3000 <= code < 0x3040 or code >= 0xFE00:
            yield 0
        elif code < 0x370 or 0x1E00 <= code < 0x1F00:
            yield 1
        elif 0x3040 <= code < 0xA4D0:
            yield 2
        elif 0xAC00 <= code < 0xD800:
            yield 3
        else:
            yield code >> 8
