"""The picture of a page -> its text, by the program tesseract where it is installed."""

import logging
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from ingest.errors import ParseLimit

Picture = NDArray[np.uint8]
"""Of a page: (height, width), grey, `DPI` dots to the inch."""

log = logging.getLogger(__name__)

DPI = 300
"""What tesseract was trained on."""
TESSERACT = shutil.which("tesseract")
"""Its path; None where it is not installed."""

_SURE = 50.0
"""Mean confidence of a page's words, of 100. Our run, with the English pack: English 90 to 95, Turkish 55 to
58, Korean and Arabic 28 to 34."""
_SCRIPT = re.compile(r"^Script: (\w+)", re.MULTILINE)
_DIVIDED = re.compile(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
_PAGE_SECONDS = 30
_PACKS_AT_ONCE = 4
"""More cost time in proportion and take letters for those of other languages."""
_LATIN = "eng deu fra spa ita por nld pol tur vie ind ces ron hun swe dan nor fin cat hrv slk slv est lav lit"
_PACKS = {
    "Arabic": "ara fas urd uig pus snd",
    "Armenian": "hye",
    "Bengali": "ben asm",
    "Cyrillic": "rus ukr bel bul srp mkd kaz kir mon tat tgk uzb_cyrl",
    "Devanagari": "hin mar nep san",
    "Ethiopic": "amh tir",
    "Fraktur": "deu_latf frk deu",
    "Georgian": "kat",
    "Greek": "ell grc",
    "Gujarati": "guj",
    "Gurmukhi": "pan",
    "Han": "chi_sim chi_tra jpn",
    "Hangul": "kor",
    "Hebrew": "heb yid",
    "Hiragana": "jpn",
    "Japanese": "jpn",
    "Kannada": "kan",
    "Katakana": "jpn",
    "Khmer": "khm",
    "Korean": "kor",
    "Lao": "lao",
    "Latin": _LATIN,
    "Malayalam": "mal",
    "Myanmar": "mya",
    "Oriya": "ori",
    "Sinhala": "sin",
    "Tamil": "tam",
    "Telugu": "tel",
    "Thai": "tha",
    "Tibetan": "bod",
    "Vietnamese": "vie",
}
"""Script as tesseract's detector calls it -> its language packs, the likeliest first."""


@dataclass(frozen=True, slots=True)
class _Word:
    paragraph: tuple[str, str]
    line: str
    confidence: float
    text: str


class MissingPack(Exception):
    """No language pack for a script is installed; the message names script and packs."""


@lru_cache(maxsize=1)
def packs() -> frozenset[str]:
    """The language packs that are installed; none without tesseract."""
    if TESSERACT is None:
        return frozenset()
    return frozenset(map(str.strip, _run("--list-langs").splitlines()[1:]))


def scripts_of(pictures: Iterable[Picture]) -> list[str]:
    """Scripts of some pages, the likeliest first, Latin among them.

    The detector's word counts by the page: it is sure of itself when it is wrong.
    """
    votes: Counter[str] = Counter()
    if "osd" in packs():
        for picture in pictures:
            votes.update(_SCRIPT.findall(_run("--psm", "0", picture=picture)))
    return list(dict.fromkeys([*(script for script, _ in votes.most_common()), "Latin"]))


def read_page(picture: Picture, scripts: Sequence[str]) -> list[str]:
    """Paragraphs of a page, upright or turned; none if it holds no letters that can be told.

    Tries the scripts in their order. Raises MissingPack if none of them gives words and the first has no
    pack here, ParseLimit after half a minute.
    """
    for script in scripts:
        if languages := _languages(script):
            layout = "1" if "osd" in packs() else "3"
            words = _words(_run("-l", "+".join(languages), "--psm", layout, "tsv", picture=picture))
            if words and mean(word.confidence for word in words) >= _SURE:
                return _paragraphs(words)
    if not _languages(scripts[0]):
        wanted = ", ".join(_PACKS[scripts[0]].split())
        raise MissingPack(f"{scripts[0]} letters need one of tesseract's language packs: {wanted}")
    return []


def _languages(script: str) -> list[str]:
    """Installed packs of a script: the one for the whole script, else those of its languages."""
    whole = [name for name in (f"script/{script}", script) if name in packs()]
    return whole[:1] or [name for name in _PACKS.get(script, "").split() if name in packs()][:_PACKS_AT_ONCE]


def _words(table: str) -> list[_Word]:
    """tesseract's tsv: level, page, block, paragraph, line, word, its box (4), confidence, text."""
    rows = (line.split("\t") for line in table.splitlines()[1:])
    return [
        _Word((row[2], row[3]), row[4], float(row[10]), row[11])
        for row in rows
        if len(row) == 12 and row[11].strip() and float(row[10]) >= 0
    ]


def _paragraphs(words: list[_Word]) -> list[str]:
    """Words that were divided at the end of a line put together again."""
    found = []
    for _, group in groupby(words, key=lambda word: word.paragraph):
        lines = [
            " ".join(word.text for word in line) for _, line in groupby(group, key=lambda word: word.line)
        ]
        text = _DIVIDED.sub("", "\n".join(lines)).replace("\n", " ")
        if sum(map(str.isalnum, text)) > 1:
            found.append(text)
    return found


def _run(*arguments: str, picture: Picture | None = None) -> str:
    """What tesseract prints; nothing if it fails, as it does on a page with too few letters."""
    assert TESSERACT is not None
    read = [] if picture is None else ["stdin", "stdout", "--dpi", str(DPI)]
    size = b"" if picture is None else b"P5 %d %d 255\n" % picture.shape[::-1]
    try:
        run = subprocess.run(  # noqa: S603 no shell, and the picture is one we drew
            [TESSERACT, *read, *arguments],
            input=b"" if picture is None else size + picture.tobytes(),
            capture_output=True,
            timeout=_PAGE_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ParseLimit(f"the letters of one page took more than {_PAGE_SECONDS} s to be told") from error
    if run.returncode:
        log.info("tesseract %s: %s", " ".join(arguments), run.stderr.decode(errors="replace").strip()[:300])
        return ""
    return run.stdout.decode(errors="replace")
