"""Marked words: forms of the same word, scripts without spaces, no particles."""

import pytest

from app.marks import marks


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Refunds take 14 days.", "When is the refund paid, within 14 days?", ["Refunds", "14", "days"]),
        ("The cat and the hat.", "the and", []),
        ("Straße und STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("Das PDF ist da", "PDF", ["PDF"]),
        ("退款在十四天内原路退回。", "退款要几天内到", ["退款", "天内"]),
        ("Расходы и возврат", "возврата", ["возврат"]),
        ("anything", "", []),
    ],
)
def test_the_words_of_the_query_are_marked(text: str, query: str, marked: list[str]) -> None:
    assert [text[begin:end] for begin, end in marks(text, query)] == marked
