"""Citations are checked while the text streams."""

import random

import pytest

from app.citations import CitationFilter, cited_sentences, disarm


def filtered(text: str, sources: int, pieces: list[str] | None = None) -> tuple[str, int]:
    check = CitationFilter(sources)
    shown = "".join(check.feed(piece) for piece in pieces or [text]) + check.end()
    return shown, check.removed


@pytest.mark.parametrize(
    ("text", "shown", "removed"),
    [
        ("It rains [1].", "It rains [1].", 0),
        ("It rains [7].", "It rains.", 1),
        ("It rains [0].", "It rains.", 1),
        ("It rains [1, 9, 2].", "It rains [1][2].", 1),
        ("It rains [1-3].", "It rains [1][2][3].", 0),
        ("It rains [2–5].", "It rains [2][3].", 1),
        ("It rains [9-7].", "It rains.", 2),
        ("It rains [^2] [^8].", "It rains [2].", 1),
        ("It rains [1 and 7].", "It rains [1].", 1),
        ("It rains [Source 3; source: 8].", "It rains [3].", 1),
        ("It rains [**7**] [[8]].", "It rains [].", 2),
        (r"It rains [7\].", "It rains.", 1),
        ("雨【2】。雪【7】。", "雨[2]。雪。", 1),
        ("雨［1、9］。雪［来源３］。", "雨[1]。雪[3]。", 1),
        ("مطر [٣، ٩].", "مطر [3].", 1),
        ("It rains 【3†L1-L5】【7†source】.", "It rains [3].", 1),
        ("An array a[i] and [see note].", "An array a[i] and [see note].", 0),
        ("See [Figure 7] and [0.5].", "See [Figure 7] and [0.5].", 0),
        ("A list [x", "A list [x", 0),
        ("Cut off [2", "Cut off [2]", 0),
        ("Cut off [12", "Cut off", 1),
        ("All of [1-99999999999999999999999].", "All of [1][2][3].", 1),
        (f"A long one [{'9' * 5000}].", "A long one.", 1),
        (f"A long one [{'1, ' * 50}7].", "A long one [1].", 1),
    ],
)  # fmt: skip
def test_only_known_numbers_come_through(text: str, shown: str, removed: int) -> None:
    assert filtered(text, 3) == (shown, removed)
    assert filtered(text, 3, list(text)) == (shown, removed)


def test_how_the_text_is_divided_does_not_matter() -> None:
    dice = random.Random(0)

    for _ in range(2000):
        text = "".join(dice.choices("[]【】［］ 0123456789,-–^†a、\n\\source.", k=dice.randint(1, 90)))
        cuts = sorted(dice.choices(range(len(text) + 1), k=6))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert filtered(text, 3, pieces) == filtered(text, 3), text


def test_a_text_without_brackets_is_never_held_back_but_for_a_space() -> None:
    check = CitationFilter(3)

    assert [check.feed(piece) for piece in ("It ", "rains", ". ", "[1", "]")] == [
        "It",
        " rains",
        ".",
        "",
        " [1]",
    ]


def test_sentences_carry_the_numbers_in_and_behind_them() -> None:
    found = cited_sentences("Store it cool [1]. Charge it. [2][3] Wer weiß? 好的 [2]。完。")

    assert [(one.text, one.citations) for one in found] == [
        ("Store it cool.", [1]),
        ("Charge it.", [2, 3]),
        ("Wer weiß?", []),
        ("好的。", [2]),
        ("完。", []),
    ]


def test_an_item_of_a_list_keeps_its_number() -> None:
    found = cited_sentences("Two things:\n1. Store it cool [1].\n2. Charge it. [2]\n- Rest.")

    assert [(one.text, one.citations) for one in found] == [
        ("Two things:", []),
        ("1. Store it cool.", [1]),
        ("2. Charge it.", [2]),
        ("- Rest.", []),
    ]


def test_a_document_s_own_numbers_are_not_ours() -> None:
    assert (
        disarm("As shown [3], [4-5]. See [note] and args[0].")
        == "As shown (3), (4-5). See [note] and args[0]."
    )
