"""Two rankings joined: each is heard, and neither shouts the other down."""

import pytest

from app.fusion import SURE, Leg, alone, fuse, spoken
from ingest.records import Chunk, Hit

WORTH = 0.7


def hit(name: str, score: float, language: str = "en") -> Hit:
    return Hit(Chunk(name, 0, name, "Title", (), None, language), score)


def order(dense: list[Hit], lexical: list[Hit], *, bound: float = 10, crosses: float = 0.0) -> list[str]:
    return [one.chunk.text for one in fuse(dense, lexical, bound, crosses=crosses, worth=WORTH)]


def test_what_both_find_comes_before_what_one_finds() -> None:
    dense = [hit("meaning", 0.6), hit("both", 0.55), hit("far", 0.2)]
    lexical = [hit("words", 9.0), hit("both", 8.5)]

    assert order(dense, lexical) == ["both", "words", "meaning", "far"]


def test_the_score_is_the_sum_of_both_and_says_where_it_came_from() -> None:
    fused = fuse([hit("a", 0.6), hit("b", 0.2)], [hit("b", 5.0), hit("c", 2.5)], 10, crosses=0.0, worth=WORTH)

    scores = {one.chunk.text: one for one in fused}
    assert scores["a"].score == pytest.approx(0.6 / (1 + WORTH))
    assert scores["b"].score == pytest.approx((0.2 + WORTH) / (1 + WORTH))
    assert scores["c"].score == pytest.approx((0.2 + WORTH / 2) / (1 + WORTH))
    assert (scores["b"].dense, scores["b"].lexical) == (Leg(2, 0.2), Leg(1, 5.0))
    assert (scores["a"].lexical, scores["c"].dense) == (None, None)


def test_a_few_shared_words_do_not_outweigh_the_meaning() -> None:
    dense = [hit("meaning", 0.6), hit("far", 0.2)]
    stray = [hit("stray", 10 * SURE / 4)]

    assert order(dense, stray, bound=10)[0] == "meaning"
    assert order(dense, stray, bound=1)[0] == "stray"


def test_a_text_in_another_language_is_not_held_against_it_where_the_encoder_crosses() -> None:
    dense = [hit("德文", 0.75, "zh"), hit("english", 0.6), hit("far", 0.2)]
    lexical = [hit("english", 8.0), hit("far", 1.0)]

    assert order(dense, lexical, crosses=0.85)[0] == "德文"
    assert order(dense, lexical, crosses=0.0)[0] == "english"


def test_the_words_are_in_the_language_of_most_of_the_first_hits() -> None:
    assert spoken([hit("a", 3, "de"), hit("b", 2, "fr"), hit("c", 1, "fr")]) == "fr"
    assert spoken([]) is None


@pytest.mark.parametrize("crosses", [0.85, 0.0])
def test_one_ranking_alone_keeps_its_order(crosses: float) -> None:
    dense = [hit("a", 0.6), hit("b", 0.5)]
    lexical = [hit("c", 5.0), hit("d", 4.0)]

    assert order(dense, [], crosses=crosses) == ["a", "b"]
    assert order([], lexical, crosses=crosses) == ["c", "d"]
    assert order([], []) == []
    assert [one.score for one in alone(lexical, "lexical")] == [5.0, 4.0]
