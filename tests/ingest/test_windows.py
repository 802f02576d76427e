"""A chunk's vectors: one for each window, or pooled from the whole text."""

import numpy as np
import pytest

from embedder.fake import FakeEncoder
from ingest.index.contract import Chunking
from ingest.records import Chunk
from ingest.windows import encode, windows

spans = FakeEncoder().token_spans

SENTENCE = {
    "en": "The battery wants a cool and dry place in winter. ",
    "zh": "冬天电池要放在阴凉干燥的地方。",
    "th": "ในฤดูหนาวควรเก็บแบตเตอรี่ไว้ในที่เย็น ",
}


def made(position: int, text: str, heading: tuple[str, ...] = ("Storage",)) -> Chunk:
    return Chunk("v", position, text, "Manual", heading, None, "en")


@pytest.mark.parametrize("language", SENTENCE)
def test_windows_cover_the_text_and_none_is_too_long(language: str) -> None:
    text = SENTENCE[language] * 12

    parts = windows(text, 50, spans)

    assert len(parts) > 1
    assert all(len(spans(text[begin:end])) <= 50 for begin, end in parts)
    covered = "".join(text[begin:end] for begin, end in parts)
    assert covered.replace(" ", "") == text.replace(" ", "")


def test_windows_are_cut_between_sentences_and_about_equally_long() -> None:
    text = SENTENCE["en"] * 12

    parts = [text[begin:end] for begin, end in windows(text, 60, spans)]

    assert all(part.startswith("The battery") and part.endswith(".") for part in parts)
    lengths = [len(spans(part)) for part in parts]
    assert max(lengths) <= 2 * min(lengths)


def test_a_sentence_longer_than_a_window_is_cut_anyway() -> None:
    text = "word " * 200

    assert all(len(spans(text[begin:end])) <= 50 for begin, end in windows(text, 50, spans))


def test_a_short_chunk_has_one_vector_and_a_long_one_several() -> None:
    chunks = [made(0, SENTENCE["en"]), made(1, SENTENCE["en"] * 12)]

    short, long = encode(chunks, FakeEncoder(), Chunking("windows", 400, 60))

    assert short.shape == (1, FakeEncoder().dim)
    assert len(long) > 1
    assert np.allclose(np.linalg.norm(long, axis=1), 1, atol=1e-5)


def test_every_window_carries_its_heading() -> None:
    text = "plain words only here. " * 20
    with_heading, without = (
        encode([made(1, text, heading)], FakeEncoder(), Chunking("windows", 400, 60))[0]
        for heading in (("Storage",), ())
    )
    question = FakeEncoder().encode_queries(["storage"])[0]

    assert (with_heading @ question).min() > (without @ question).max()


def test_late_chunks_have_as_many_vectors_as_windows() -> None:
    chunks = [made(0, SENTENCE["en"]), made(1, SENTENCE["en"] * 12)]

    short, long = encode(chunks, FakeEncoder(), Chunking("late", 400, 60))

    assert len(short) == 1
    assert len(long) == len(windows(chunks[1].text, 60, spans))


def test_no_chunks_have_no_vectors() -> None:
    assert encode([], FakeEncoder(), Chunking("windows", 400, 60)) == []
