"""Late chunking: a long text read in windows, its parts pooled from the states of their own tokens."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from embedder.errors import EmptySpan

OVERLAP_SHARE = 4
"""Neighbouring windows share a quarter, so that a token is read with at least an eighth on either side."""


class Window(NamedTuple):
    """A stretch of a text's tokens that is read at once, and the tokens whose states are taken from it."""

    begin: int
    end: int
    keep_begin: int
    keep_end: int


def windows(tokens: int, size: int) -> Iterator[Window]:
    """Windows of at most `size` tokens over all `tokens`; each token is kept once, far from an edge.

    >>> [tuple(window) for window in windows(10, 8)]
    [(0, 8, 0, 7), (6, 10, 7, 10)]
    """
    overlap = size // OVERLAP_SHARE
    kept = begin = 0
    while True:
        end = min(begin + size, tokens)
        keep_end = tokens if end == tokens else end - overlap // 2
        yield Window(begin, end, kept, keep_end)
        if end == tokens:
            return
        kept, begin = keep_end, end - overlap


def token_ranges(
    offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The tokens, [begin, end), that lie in each span of characters, also those that only reach into it.

    offsets: characters of each token, in order. Raises EmptySpan.

    >>> token_ranges([(0, 3), (4, 7), (7, 9)], [(0, 4), (5, 9)])
    [(0, 1), (1, 3)]
    """
    begins, ends = [begin for begin, _ in offsets], [end for _, end in offsets]
    ranges = []
    for begin, end in spans:
        first, last = bisect_right(ends, begin), bisect_left(begins, end)
        if first >= last:
            raise EmptySpan(f"characters {begin} to {end} hold no token: leave that span out")
        ranges.append((first, last))
    return ranges


def inside(
    ranges: Sequence[tuple[int, int]], window: Window, tokens: int, before: int, after: int
) -> Iterator[tuple[int, int, int]]:
    """Row, begin and end of what a window keeps of each range, counted in the window's own states.

    `before` and `after` special tokens stand around the window's; they go with the first and the last of
    the text's `tokens`, so that the range of all of them is what is pooled of a whole text.
    """
    for row, (begin, end) in enumerate(ranges):
        first, last = max(begin, window.keep_begin), min(end, window.keep_end)
        if first < last:
            yield (
                row,
                0 if first == 0 else before + first - window.begin,
                before + last - window.begin + (after if last == tokens else 0),
            )
