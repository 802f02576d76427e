"""Texts of realistic lengths, cut from the sample library; as a command, what encoding them takes in memory.

A module of its own, because the peers it would be measured beside take half a gigabyte by being imported.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import embedder

LIBRARY = Path(__file__).parents[1] / "app" / "sample" / "library"
MOST_TOKENS = 510
_MEDIAN_TOKENS, _SPREAD = 90, 0.8
"""Of the lengths: lognormal, as passages of real corpora are."""
_LONG_TOKENS = 8000
_TIMES = 8
"""The library over again, so that it is longer than the longest cut."""


def cuts(encoder: embedder.Encoder, count: int, exactly: int = 0) -> Iterator[str]:
    """Cuts of the sample library's text files, of realistic lengths."""
    chance = random.Random(0)
    files = sorted(LIBRARY.glob("*.md")) + sorted(LIBRARY.glob("*.txt"))
    whole = " ".join(path.read_text(encoding="utf-8") for path in files) * _TIMES
    spans = encoder.token_spans(whole)
    for _ in range(count):
        length = exactly or min(MOST_TOKENS, max(4, int(_MEDIAN_TOKENS * chance.lognormvariate(0, _SPREAD))))
        begin = chance.randrange(len(spans) - length)
        yield whole[spans[begin][0] : spans[begin + length - 1][1]]


def main(folder: str, precision: str) -> None:
    """Encode in bulk, texts of 8,000 tokens among others, and print the peak of this process's memory, MB."""
    encoder = embedder.load(folder, "cpu", precision)
    encoder.encode_documents([*cuts(encoder, 32), *cuts(encoder, 2, exactly=_LONG_TOKENS)])
    status = Path("/proc/self/status").read_text()  # getrusage's peak is inherited from who started us
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1e3)


if __name__ == "__main__":
    main(*sys.argv[1:])
