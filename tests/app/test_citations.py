"""Citations are checked while the text streams."""

import random

import pytest

from app.citations import CitationFilter, cited_sentences


def filtered(text: str, sources: int, pieces: list[str] | None = None) -> tuple[str, int]:
    check = CitationFilter(sources)
    shown = "".join(check.feed(piece) for piece in pieces or [text]) + check.end()
    return shown, check.removed


@pytest.mark.parametrize(
    ("text", "shown", "removed"),
    [
        ("It rains [1].", "It rains [1].", 0),
        ("It rains [7].", "It rains .", 1),
        ("It rains [0].", "It rains .", 1),
        ("It rains [1, 9, 2].", "It rains [1][2].", 1),
        ("It rains [1-3].", "It rains [1][2][3].", 0),
        ("It rains [2–5].", "It rains [2][3].", 2),
        ("It rains 【2】.", "It rains [2].", 0),
        ("It rains [^2].", "It rains [2].", 0),
        ("An array a[i] and [see note].", "An array a[i] and [see note].", 0),
        ("An open [12", "An open [12", 0),
        ("All of [1-99999999].", "All of [1][2][3].", 99999996),
    ],
)
def test_only_known_numbers_come_through(text: str, shown: str, removed: int) -> None:
    assert filtered(text, 3) == (shown, removed)


def test_how_the_text_is_divided_does_not_matter() -> None:
    text = "One [1]. Two [9, 2] and 【3】, a[i] [1-2] [x] [ 4 ] end ["
    whole = filtered(text, 3)
    dice = random.Random(0)

    for _ in range(200):
        cuts = sorted(dice.sample(range(len(text)), 6))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert filtered(text, 3, pieces) == whole


def test_sentences_carry_the_numbers_in_and_behind_them() -> None:
    found = cited_sentences("Store it cool [1]. Charge it. [2][3] Wer weiß? 好的 [2]。完。")

    assert [(one.text, one.citations) for one in found] == [
        ("Store it cool.", [1]),
        ("Charge it.", [2, 3]),
        ("Wer weiß?", []),
        ("好的。", [2]),
        ("完。", []),
    ]
