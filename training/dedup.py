"""Texts that say nearly the same are seen once: simhash over letters, found by bands."""

import re
import unicodedata
from collections import Counter, defaultdict

from training.batches import key

_NEAR = 3
"""Bits of 64 that may differ (Manku et al., WWW 2007: 3 for near-duplicate pages)."""
_BAND = 16
"""Bits; of four bands one is equal wherever at most three bits differ."""
_SHINGLE = 4
_SHORT = 32
"""Letters below which a text must be equal, but for case, signs and spaces."""
_SIGNS = re.compile(r"[\W_]+")


class Seen:
    """Remembers texts."""

    def __init__(self) -> None:
        self._exact: set[int] = set()
        self._bands: dict[tuple[int, int], list[int]] = defaultdict(list)

    def add(self, text: str) -> bool:
        """Whether it is new; remembers it if so."""
        plain = _SIGNS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
        if (exact := key(plain)) in self._exact:
            return False
        bits = _simhash(plain)
        bands = [(at, bits >> at & (1 << _BAND) - 1) for at in range(0, 64, _BAND)]
        if len(plain) >= _SHORT:
            if any((bits ^ other).bit_count() <= _NEAR for band in bands for other in self._bands[band]):
                return False
            for band in bands:
                self._bands[band].append(bits)
        self._exact.add(exact)
        return True


def _simhash(text: str) -> int:
    counts = Counter(text[at : at + _SHINGLE] for at in range(max(1, len(text) - _SHINGLE + 1)))
    sums = [0] * 64
    for shingle, count in counts.items():
        bits = key(shingle)
        for at in range(64):
            sums[at] += count if bits >> at & 1 else -count
    return sum(1 << at for at, total in enumerate(sums) if total > 0)
