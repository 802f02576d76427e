"""Bytes -> text, whatever encoding they are in. A wrong guess is the silent kind of loss."""

import re
import unicodedata

from charset_normalizer import from_bytes

from ingest import language
from ingest.errors import UnreadableFile

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""")
_CANDIDATES = [
    "cp1252", "cp1254", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256",
    "gb18030", "big5", "cp932", "euc_jp", "euc_kr",
]  # fmt: skip
"""Encodings in use; charset-normalizer left to itself picks DOS code pages for short French texts."""
_LATIN = {
    "cp1252": frozenset("af ca da de en es et fi fr id it nl no pt sv".split()),
    "cp1250": frozenset("cs hr hu pl ro sk sl sq".split()),
    "cp1254": frozenset(["tr"]),
}
"""They differ in a few letters only, so the language decides: Czech read as French is noise."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_TEXT_SHARE = 0.95
_SAMPLE_BYTES = 20_000
_BROKEN = re.compile(r"[\ud800-\udfff]")
_NOISE = re.compile(r"[\0\ufeff\ufffe\uffff\u200e\u200f]|[\U000e0000-\U000e007f]")
"""NUL, byte-order marks, direction marks and invisible tags: nothing a reader would see."""


def decode(data: bytes, name: str) -> str:
    """Text of a file: byte-order mark, UTF-8, what the file declares, then the likeliest of the old
    encodings. Raises UnreadableFile for what is not text."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return clean(data.decode(encoding, "replace"))
    sample = data[:_SAMPLE_BYTES]
    if len(sample.translate(None, _CONTROLS)) < _TEXT_SHARE * len(sample):
        raise UnreadableFile(f"{name} is not text, nor in any other format that is known here")
    declared = _DECLARED.search(data[:1024])
    for encoding in ("utf-8", declared[1].decode("ascii") if declared else "utf-8"):
        try:
            return clean(data.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    guess = _guess(sample)
    if guess is None:
        raise UnreadableFile(f"{name} is not text in any known encoding: save it as UTF-8")
    return clean(data.decode(guess, "replace"))


def clean(text: str) -> str:
    """Composed (NFC), without what can't be stored or seen."""
    return unicodedata.normalize("NFC", _NOISE.sub("", _BROKEN.sub("\ufffd", text)))


def _guess(sample: bytes) -> str | None:
    match = from_bytes(sample, cp_isolation=_CANDIDATES, enable_fallback=False).best()
    if match is None or match.encoding not in _LATIN:
        return match.encoding if match else None
    for encoding, languages in _LATIN.items():
        if language.detect(sample.decode(encoding, "replace")) in languages:
            return encoding
    return "cp1252"
