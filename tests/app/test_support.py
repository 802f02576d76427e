"""A sentence is marked by its numbers, its words and its cosine, in this order."""

from dataclasses import replace

import pytest

from app.schemas import Citation, Hit, Sentence, SourceInfo
from app.support import judge
from embedder.encoder import ModelCard
from embedder.fake import FakeEncoder

ENGLISH = replace(FakeEncoder.card, language_codes=("en",), support=(0.4, 0.7))
TEXT = "The battery wants a cool and dry place over the winter. Charge it to 60 percent."


def cite(text: str = TEXT, language: str = "en") -> Citation:
    hit = Hit(
        score=1, text=text, marks=[], title="Care 2024", heading=[], page=None, position=0, language=language,
        sources=[SourceInfo(document="d", name="care.md")],
    )  # fmt: skip
    return Citation(number=1, hit=hit, quotes=[])


def marked(
    text: str, nearest: float | None, cited: tuple[Citation, ...] = (cite(),), card: ModelCard = ENGLISH
) -> tuple[str, list[str]]:
    sentence = judge(Sentence(text=text, citations=[one.number for one in cited]), cited, nearest, card)
    return sentence.support, sentence.missing


@pytest.mark.parametrize(
    ("nearest", "support"),
    [(0.7, "supported"), (0.69, "weak"), (0.4, "weak"), (0.39, "unsupported"), (None, "unchecked")],
)
def test_the_card_says_what_a_cosine_means(nearest: float | None, support: str) -> None:
    assert marked("Keep your battery where the air is cool and dry in the winter.", nearest) == (support, [])


def test_a_wrong_number_is_unsupported_however_near_the_sentence_is() -> None:
    assert marked("Charge it to 70 percent.", 0.99) == ("unsupported", ["70"])
    assert marked("In 2024: charge it to 60 percent.", 0.99) == ("supported", [])  # the title holds 2024


def test_a_number_may_stand_in_any_of_the_cited_passages() -> None:
    assert marked("60 percent, 14 days.", 0.9, (cite(), cite("For 14 days."))) == ("supported", [])


def test_the_passage_s_own_words_are_supported_whatever_the_encoder_knows() -> None:
    unmeasured = replace(ENGLISH, support=None)

    assert marked("Charge  it to 60 percent.", None, card=unmeasured) == ("supported", [])


def test_what_cannot_be_judged_is_unchecked() -> None:
    german = "Über den Winter möchte der Akku an einem kühlen und trockenen Ort gelagert werden."

    assert marked(german, 0.9) == ("unchecked", [])
    assert marked("Keep the battery cool over the winter.", 0.9, (cite(german, "de"),)) == ("unchecked", [])
    both = replace(ENGLISH, language_codes=("de", "en"))
    assert marked(german, 0.9, (cite(german[:40], "de"),), both) == ("supported", [])
    assert marked(german, 0.9, card=both) == ("unchecked", [])  # from one language to another
    assert marked("Keep it cool.", 0.9, card=replace(ENGLISH, support=None)) == ("unchecked", [])


def test_a_sentence_without_a_source_is_unsupported() -> None:
    assert marked(TEXT, None, ()) == ("unsupported", [])
