"""Chunks -> vectors: one for each window of a chunk, or late, pooled from the text read as a whole.

Encoders describe short texts better than long ones, people read long ones better. So a chunk longer than
its collection's window gets several vectors, and a search compares with the nearest of them (MaxSim).
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import ceil

import numpy as np

from embedder.encoder import Encoder, Vectors
from ingest.chunk import SLACK_TOKENS, TokenSpans, context_of
from ingest.index.contract import Chunking
from ingest.records import Chunk
from ingest.sentences import sentences

Span = tuple[int, int]
"""Begin and end, in characters."""


def encode(chunks: Sequence[Chunk], encoder: Encoder, chunking: Chunking) -> list[Vectors]:
    """The vectors of each chunk, `(windows, dim)`; `chunks` are of one document, in reading order."""
    if chunking.mode == "late":
        return _late(chunks, encoder, chunking)
    texts = [_windows_with_context(chunk, encoder.token_spans, chunking.window_tokens) for chunk in chunks]
    vectors = encoder.encode_documents([text for group in texts for text in group])
    return _split(vectors, [len(group) for group in texts])


def windows(text: str, max_tokens: int, token_spans: TokenSpans) -> list[Span]:
    """Parts of at most `max_tokens`, about equally long, of whole sentences unless one alone is longer."""
    tokens = token_spans(text)
    if len(tokens) <= max_tokens:
        return [(0, len(text))]
    starts = [begin for begin, _ in tokens]
    goal = len(tokens) / ceil(len(tokens) / max_tokens)
    cuts = [0]  # in tokens
    before = 0
    for end in (bisect_left(starts, end) for _, end in sentences(text)):
        if end - cuts[-1] > max_tokens and before > cuts[-1]:
            cuts.append(before)
        while end - cuts[-1] > max_tokens:
            cuts.append(cuts[-1] + max_tokens)
        if end - cuts[-1] >= goal:
            cuts.append(end)
        before = end
    if cuts[-1] < len(tokens):
        cuts.append(len(tokens))
    edges = [0, *(starts[cut] for cut in cuts[1:-1]), len(text)]
    return [(begin, begin + len(text[begin:end].rstrip())) for begin, end in pairwise(edges)]


def _windows_with_context(chunk: Chunk, token_spans: TokenSpans, max_tokens: int) -> list[str]:
    context = context_of(chunk, token_spans, max_tokens)
    room = max_tokens - (len(token_spans(context)) + SLACK_TOKENS if context else 0)
    parts = [chunk.text[begin:end] for begin, end in windows(chunk.text, room, token_spans)]
    return [f"{context}\n{part}" if context else part for part in parts]


def _late(chunks: Sequence[Chunk], encoder: Encoder, chunking: Chunking) -> list[Vectors]:
    """Late chunking (arXiv:2409.04701): every token has seen the text around its chunk."""
    text, begins = _joined(chunks)
    spans: list[Span] = []
    counts = []
    for chunk, start in zip(chunks, begins, strict=True):
        parts = windows(chunk.text, chunking.window_tokens, encoder.token_spans)
        spans += [(start + begin, start + end) for begin, end in parts]
        counts.append(len(parts))
    return _split(encoder.encode_spans(text, spans), counts)


def _joined(chunks: Sequence[Chunk]) -> tuple[str, list[int]]:
    """The chunks as one text, under their headings; and where each begins in it."""
    pieces: list[str] = [chunks[0].title] if chunks and chunks[0].position == 0 else []
    begins = []
    heading: tuple[str, ...] = ()
    for chunk in chunks:
        if chunk.heading != heading:
            pieces += chunk.heading[-1:]
            heading = chunk.heading
        begins.append(len(pieces))
        pieces.append(chunk.text)
    offsets = [0, *accumulate(len(piece) + 2 for piece in pieces)]
    return "\n\n".join(pieces), [offsets[at] for at in begins]


def _split(vectors: Vectors, counts: Sequence[int]) -> list[Vectors]:
    return np.split(vectors, np.cumsum(counts)[:-1]) if counts else []
