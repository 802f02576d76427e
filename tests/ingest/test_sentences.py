"""Sentence boundaries, as a reader of each language would draw them."""

from itertools import pairwise

import pytest

from ingest.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. Dr. Wu at 3.5 km. He waits.", ["See e.g. Dr. Wu at 3.5 km.", "He waits."]),
        ("J. S. Bach wrote it. Really.", ["J. S. Bach wrote it.", "Really."]),
        ("Das ist z.B. gut. Nr. 5 auch.", ["Das ist z.B. gut.", "Nr. 5 auch."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("第一条。第二条！第三条？", ["第一条。", "第二条！", "第三条？"]),
        ("「行こう。」と言った。終わり。", ["「行こう。」と言った。", "終わり。"]),
        ("そうだ。といっても違う。", ["そうだ。", "といっても違う。"]),
        ("Am 3. Oktober 2021. Danach § 5 Abs. 2.", ["Am 3. Oktober 2021.", "Danach § 5 Abs. 2."]),
        ("He said no. Then art. Not No. 5 or Fig. 3.", ["He said no.", "Then art.", "Not No. 5 or Fig. 3."]),
        ("In the U.S. Army. Apples, etc. The end.", ["In the U.S. Army.", "Apples, etc.", "The end."]),
        ("Il dit : « Oui. » Puis il part.", ["Il dit : « Oui. »", "Puis il part."]),
        ("Er ging. »Komm!« Dann „Gut.“ Ende.", ["Er ging.", "»Komm!«", "Dann „Gut.“", "Ende."]),
        ("So it is.[1] Next.[2][3] Last.", ["So it is.[1]", "Next.[2][3]", "Last."]),
        ("ဒါဟာစာ။ နောက်။", ["ဒါဟာစာ။", "နောက်။"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("यह सही है। वह गलत है।", ["यह सही है।", "वह गलत है।"]),
        ("- one\n- two", ["- one", "- two"]),
        ("no end", ["no end"]),
        ("  ", []),
    ],
)
def test_sentences_end_where_a_reader_pauses(text: str, expected: list[str]) -> None:
    assert [text[begin:end] for begin, end in sentences(text)] == expected


def test_thai_is_cut_at_spaces_into_pieces_that_can_be_read() -> None:
    text = "ผู้เช่าต้องแสดงบัตรประชาชนหรือหนังสือเดินทางทุกครั้งก่อนรับจักรยาน และวางเงินมัดจำ " * 3

    pieces = sentences(text.strip())

    assert len(pieces) > 3
    assert all(end - begin < 150 for begin, end in pieces)


def test_no_character_is_lost_and_none_comes_twice() -> None:
    text = "A b. C\n\n  d! 「e。」f… g؟ h। 3.5 i.e. j\tk.\n" * 20
    at = 0
    for begin, end in sentences(text):
        assert text[at:begin].strip() == ""
        assert end > begin
        at = end
    assert text[at:].strip() == ""


@pytest.mark.parametrize("piece", ["a.b ", ".", "。", " ", ") ", ".) ", "[1]", "\n ", "ก ", "1. "])
def test_a_long_text_takes_time_in_proportion_whatever_it_repeats(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))  # quadratic time would be minutes, and the timeout fails it

    spans = sentences(text)

    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
