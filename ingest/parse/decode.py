"""Bytes -> text, whatever encoding they are in. A wrong guess is the silent kind of loss."""

import codecs
import re
import unicodedata

from ingest import language
from ingest.errors import UnreadableFile

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""")
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
}
"""What files mean that declare these: the larger sets that browsers read instead (WHATWG Encoding)."""
_DOUBLE: dict[str, tuple[str, range, range]] = {
    "cp932": ("euc_jp", range(0xB0, 0xD0), range(0xA4, 0xA6)),
    "euc_jp": ("euc_jp", range(0xB0, 0xD0), range(0xA4, 0xA6)),
    "cp949": ("euc_kr", range(0xB0, 0xC9), range(0)),
    "gb18030": ("gb2312", range(0xB0, 0xD8), range(0)),
    "big5": ("big5", range(0xA4, 0xC7), range(0)),
}
"""Encodings by two bytes -> the standard whose lead bytes tell frequent signs from rare ones, the leads of
the frequent ones, those of kana. On a tie the first wins: all Korean could be Chinese, no Chinese Korean."""
_SINGLE = {
    "cp1251": ("а-яёА-ЯЁіїєґІЇЄҐўЎ", "оеаинтсрвліОЕАИНТСРВЛІ"),
    "koi8_r": ("а-яёА-ЯЁ", "оеаинтсрвлОЕАИНТСРВЛ"),
    "cp866": ("а-яёА-ЯЁ", "оеаинтсрвлОЕАИНТСРВЛ"),
    "cp1253": ("ά-ώΆ-Ώ", "αοιετνσηρπκλίάόύςΑΟΙΕΤΝΣ"),
    "cp1255": ("א-ת", "יוהלאתרשבמם"),
    "cp1256": ("ء-يپچژگک", "اليمونترب"),
    "cp874": ("ก-ฺเ-๎", "กคงดตทนบปมยรลวสหอะาเแไใัิีื่้็์"),
    "cp1252": ("À-ÖØ-öø-ÿŒœŠšŽžŸ", ""),
    "cp1250": ("À-ÖØ-öø-žŁłŔŕ", ""),
    "iso8859_2": ("À-ÖØ-öø-žŁłŔŕ", ""),
    "cp1254": ("À-ÖØ-öø-ÿĞğİıŞşŒœ", ""),
}
"""Encodings by one byte -> letters of their languages, and the frequent ones: the same bytes are letters
of several alphabets, but frequent ones of few."""
_LATIN = {
    "cp1252": frozenset("af ca da de en es et fi fr id it nl no pt sv".split()),
    "cp1250": frozenset("cs hr hu pl ro sk sl sq".split()),
    "iso8859_2": frozenset("cs hr hu pl ro sk sl sq".split()),
    "cp1254": frozenset(["tr"]),
}
"""They differ in a few letters only, so the language decides: Czech read as French is noise."""
_LANGUAGE_BONUS = 0.3
_PUNCTUATION = frozenset("«»„“”‘’–—…€°§№·\u00a0¿¡")
_GUESS_BYTES = 4000
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_TEXT_SHARE = 0.95
_WIDE_SHARE = 0.3
"""So many zeros in every other byte are UTF-16 of a script with small codes, saved without a mark."""
_DAMAGED_SHARE = 10
"""One broken character in so many non-ASCII ones is damaged UTF-8, not another encoding."""
_SAMPLE_BYTES = 20_000
_BROKEN = re.compile(r"[\ud800-\udfff]")
_NOISE = re.compile(
    r"[\0-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff\u200e\u200f]|[\U000e0000-\U000e007f]"
)
"""Controls, byte-order marks, soft hyphens, direction marks, invisible tags: nothing a reader would see."""


def decode(data: bytes, name: str, declared: str | None = None) -> str:
    """Text of a file: byte-order mark, UTF-8, what is declared (by the file if not by the caller),
    then the likeliest of the old encodings. Raises UnreadableFile for what is not text."""
    return (
        clean(data.decode(_encoding(data, name, declared), "replace"))
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )


def clean(text: str) -> str:
    """Composed (NFC), without what can't be stored or seen."""
    return unicodedata.normalize("NFC", _NOISE.sub("", _BROKEN.sub("\ufffd", text)))


def _encoding(data: bytes, name: str, declared: str | None) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding
    sample = data[:_SAMPLE_BYTES]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[offset::2].count(0) > _WIDE_SHARE * len(sample) / 2 and _is_text(
            sample.decode(encoding, "replace").encode()
        ):
            return encoding
    if not _is_text(sample):
        raise UnreadableFile(f"{name} is not text, nor in any other format that is known here")
    if declared is None and (found := _DECLARED.search(data[:1024])):
        declared = found[1].decode("ascii")
    for encoding in ("utf-8", *_meant(declared)):
        try:
            data.decode(encoding)
        except (UnicodeError, LookupError):
            continue
        return encoding
    if _is_damaged_utf8(data):
        return "utf-8"
    guess = _guess(data)
    if guess is None:
        raise UnreadableFile(f"{name} is not text in any known encoding: save it as UTF-8")
    return guess


def _is_text(sample: bytes) -> bool:
    return len(sample.translate(None, _CONTROLS)) >= _TEXT_SHARE * len(sample)


def _meant(declared: str | None) -> list[str]:
    try:
        name = codecs.lookup(declared or "utf-8").name
    except LookupError:
        return []
    return [_MEANT.get(name, name), name]


def _is_damaged_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken * _DAMAGED_SHARE < sum(not character.isascii() for character in text) - broken


def _guess(data: bytes) -> str | None:
    """The encoding in which the bytes above ASCII make the likeliest letters; None if there is none."""
    telling = b"\n".join(line for line in data.split(b"\n") if not line.isascii())[:_GUESS_BYTES]
    scores: dict[str, float] = {}
    for encoding in (*_DOUBLE, *_SINGLE):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(telling)
        except UnicodeDecodeError:
            continue
        weigh = _weigh_sign if encoding in _DOUBLE else _weigh_letter
        weights = [weigh(encoding, text, at) for at, character in enumerate(text) if not character.isascii()]
        scores[encoding] = sum(weights) / max(1, len(weights))
        if encoding in _LATIN and language.detect(text) in _LATIN[encoding]:
            scores[encoding] += _LANGUAGE_BONUS
    best = max(scores, key=lambda encoding: scores[encoding], default=None)
    return best if best and scores[best] > 0 else None


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
