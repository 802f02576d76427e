"""Nearly the same texts are known as such, in any script; others are not."""

import random

import pytest

from ingest.likeness import FEWEST_CHARS, alike, bands, fingerprint

ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyz",
    "han": "".join(map(chr, range(0x4E00, 0x5200))),
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
}


def words(script: str, seed: int, number: int = 600) -> list[str]:
    """Made-up words of a vocabulary of 300."""
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices(ALPHABETS[script], k=chance.randint(2, 8))) for _ in range(300)]
    return chance.choices(vocabulary, k=number)


@pytest.mark.parametrize("script", ALPHABETS)
def test_one_word_in_a_hundred_changed_is_nearly_the_same(script: str) -> None:
    text = words(script, 1)
    edited = ["12" if at % 100 == 50 else word for at, word in enumerate(text)]
    one, other = fingerprint(" ".join(text)), fingerprint(" ".join(edited))

    assert one is not None
    assert other is not None
    assert alike(one, other)
    assert set(bands(one)) & set(bands(other))


def test_case_width_and_spaces_do_not_matter() -> None:
    text = " ".join(words("latin", 1))

    assert fingerprint(text) == fingerprint(text.upper().replace(" ", "\n\n"))


def test_another_text_of_the_same_language_is_not_alike() -> None:
    one, other = (fingerprint(" ".join(words("latin", seed))) for seed in (1, 2))

    assert one is not None
    assert other is not None
    assert not alike(one, other)


def test_a_short_text_has_no_fingerprint() -> None:
    assert fingerprint("a" * (FEWEST_CHARS - 1)) is None
    assert fingerprint("") is None
