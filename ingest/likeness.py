"""Which texts are nearly the same: a fingerprint of 64 bits that a small change moves by a few of them.

Simhash (Charikar 2002) over runs of letters, so it needs no words and works in every script.
"""

import unicodedata

import numpy as np
import numpy.typing as npt

FEWEST_CHARS = 400
"""Letters and digits of a text that has a fingerprint: in short ones a word changes too many bits."""
MOST_BITS = 7
"""That nearly the same texts differ in. One word in a hundred changed moves 1 to 6 of them, unrelated texts
are 18 apart or more (118 English and Chinese articles)."""
_RUN_CHARS = 5
_BANDS = MOST_BITS + 1
_BAND_BITS = 64 // _BANDS
_BLOCK = 65_536


def fingerprint(text: str) -> int | None:
    """64 bits; None for a short text. Takes time in proportion to the text, not to what is in it."""
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
    if len(letters) < FEWEST_CHARS:
        return None
    codes = np.frombuffer(letters.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    runs = np.zeros(len(codes) - _RUN_CHARS + 1, np.uint64)
    for at in range(_RUN_CHARS):
        runs = _mixed(runs ^ codes[at : at + len(runs)])
    runs = np.unique(runs)
    ones = np.zeros(64, np.int64)
    for begin in range(0, len(runs), _BLOCK):
        block = runs[begin : begin + _BLOCK]
        ones += np.unpackbits(block.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0, dtype=np.int64)
    return int.from_bytes(np.packbits(ones * 2 > len(runs)).tobytes(), "big")


def bands(bits: int) -> list[int]:
    """Quarters of the fingerprint, numbered: nearly the same ones have at least one in common."""
    mask = (1 << _BAND_BITS) - 1
    return [(at << _BAND_BITS) | (bits >> (at * _BAND_BITS) & mask) for at in range(_BANDS)]


def alike(one: int, other: int) -> bool:
    """Whether the texts of two fingerprints are nearly the same."""
    return (one ^ other).bit_count() <= MOST_BITS


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each number's bits spread over all 64 (splitmix64)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
