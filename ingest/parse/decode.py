"""Bytes -> text, whatever encoding they are in. A wrong guess is the silent kind of loss."""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from ingest.errors import FileTooLarge, UnreadableFile
from ingest.parse.guess import GUESS_BYTES, guess, is_wide

Blocks = Callable[[], Iterable[bytes]]
"""The bytes of a file in pieces, from the beginning each time it is called."""

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
_ESCAPED = (b"\x1b$", ("iso2022_jp_2", "iso2022_kr"))
"""Bytes that switch to two-byte signs in a text that is ASCII otherwise, and who uses them."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_NO_CONTROLS = bytes(set(range(256)) - set(_CONTROLS))
_TEXT_SHARE = 0.95
_DAMAGED_SHARE = 10
"""One broken character in so many non-ASCII ones is damaged UTF-8, not another encoding."""
_SAMPLE_BYTES = 20_000
_BLOCK_BYTES = 1 << 20
_TEXT_BYTES = 64 << 20
"""Of a file that is read whole: what becomes of it in memory is 10 to 30 times as large."""
_LINE_CHARS = 8 << 20
"""Of a line in a file that is read line by line. Longer ones are another format, or a bomb."""
_BROKEN = re.compile(r"[\ud800-\udfff]")
_NOISE = re.compile(
    r"[\0-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff\u200e\u200f]|[\U000e0000-\U000e007f]"
)
"""Controls, byte-order marks, soft hyphens, direction marks, invisible tags: nothing a reader would see."""


def decode(data: bytes, name: str, declared: str | None = None) -> str:
    """Text of a file: byte-order mark, UTF-8, what is declared (by the file if not by the caller),
    then the likeliest of the old encodings. Raises UnreadableFile for what is not text."""
    encoding = _encoding(lambda: [data], name, declared)
    return clean(data.decode(encoding, "replace")).replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, name: str) -> bytes:
    """All of a file of text. Raises FileTooLarge, before anything is read, for one that memory can't hold."""
    size = path.stat().st_size
    if size > _TEXT_BYTES:
        raise FileTooLarge(
            f"{name} has {size >> 20} MB; text is read up to {_TEXT_BYTES >> 20} MB, except from csv, tsv, "
            "jsonl and mbox: split it"
        )
    return path.read_bytes()


def read_lines(path: Path, name: str) -> Iterator[str]:
    """The lines of a file of any size, with their ends, as `decode` would give them.

    Raises FileTooLarge at a line that memory can't hold.
    """
    encoding = _encoding(lambda: _blocks(path), name, None)
    with path.open(encoding=encoding, errors="replace") as file:
        for number in count(1):
            line = file.readline(_LINE_CHARS)
            if not line:
                return
            if len(line) == _LINE_CHARS:
                raise FileTooLarge(
                    f"{name}: line {number} has more than {_LINE_CHARS >> 20} million characters; "
                    "break it into lines"
                )
            yield clean(line)


def clean(text: str) -> str:
    """Composed (NFC), without what can't be stored or seen."""
    return unicodedata.normalize("NFC", _NOISE.sub("", _BROKEN.sub("\ufffd", text)))


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _encoding(blocks: Blocks, name: str, declared: str | None) -> str:
    head = next(iter(blocks()), b"")[:_SAMPLE_BYTES]
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if head.translate(None, _NO_CONTROLS) and (wide := _wide(head)):
        return wide
    if not _is_text(head):
        raise UnreadableFile(f"{name} is not text, nor in any other format that is known here")
    if declared is None and (found := _DECLARED.search(head[:1024])):
        declared = found[1].decode("ascii")
    mark, escaped = _ESCAPED
    likely: list[str] = [*(escaped if mark in head else ()), "utf-8", *_meant(declared)]
    for encoding in likely:
        if _fits(blocks, encoding):
            return encoding
    if _is_damaged_utf8(blocks):
        return "utf-8"
    guessed = guess(_telling(blocks))
    if guessed is None:
        raise UnreadableFile(f"{name} is not text in any known encoding: save it as UTF-8")
    return guessed


def _wide(head: bytes) -> str | None:
    """UTF-16 that was saved without a mark."""
    head = head[: len(head) // 2 * 2]
    if b"\0" not in head and _fits(lambda: [head], "utf-8"):
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        if is_wide(codecs.getincrementaldecoder(encoding)("replace").decode(head)):
            return encoding
    return None


def _is_text(sample: bytes) -> bool:
    return len(sample.translate(None, _CONTROLS)) >= _TEXT_SHARE * len(sample)


def _meant(declared: str | None) -> list[str]:
    try:
        name = codecs.lookup(declared or "utf-8").name
    except LookupError:
        return []
    return [_MEANT.get(name, name), name]


def _fits(blocks: Blocks, encoding: str) -> bool:
    """Whether everything can be decoded."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for block in blocks():
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except (UnicodeError, LookupError):
        return False
    return True


def _is_damaged_utf8(blocks: Blocks) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = whole = 0
    for block in blocks():
        text = decoder.decode(block)
        broken += text.count("\ufffd")
        whole += sum(not character.isascii() for character in text) - text.count("\ufffd")
    return broken * _DAMAGED_SHARE < whole


def _telling(blocks: Blocks) -> bytes:
    """The first lines that are not ASCII."""
    telling = b""
    for block in blocks():
        telling += b"\n".join(line for line in block.split(b"\n") if not line.isascii()) + b"\n"
        if len(telling) >= GUESS_BYTES:
            break
    return telling[:GUESS_BYTES]
