"""The double: its ranking is real, its tokens can be counted by eye."""

import numpy as np
import pytest

from embedder.errors import TextTooLong
from embedder.fake import FakeEncoder


def test_the_fake_encoder_ranks_by_shared_words_at_every_width() -> None:
    encoder = FakeEncoder()
    documents = ["the battery wants a cool place", "flour water and salt", "the cool battery"]

    for dim in encoder.dims:
        scores = (
            encoder.encode_documents(documents, dim) @ encoder.encode_queries(["cool battery"], dim=dim)[0]
        )
        assert list(np.argsort(-scores)) == [2, 0, 1]


def test_vectors_have_length_one_also_where_there_is_no_word() -> None:
    vectors = FakeEncoder().encode_documents(["a few words", "", "?!", "lone \ud800 surrogate"])

    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_no_texts_are_no_vectors() -> None:
    assert FakeEncoder().encode_documents([], dim=64).shape == (0, 64)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's cool, 3.5 V.", ["It", "s", "cool", "3", "5", "V"]),
        ("KaLM模型很好", ["KaLM", "模", "型", "很", "好"]),
        ("คลังaสินค้า", [*"คลัง", "a", *"สินค้า"]),
        ("हिन्दी है।", ["हिन्दी", "है"]),
        ("배터리는 시원한 곳에", ["배터리는", "시원한", "곳에"]),
    ],
)
def test_a_token_is_a_word_or_a_character_where_words_are_not_set_apart(text: str, tokens: list[str]) -> None:
    assert [text[begin:end] for begin, end in FakeEncoder().token_spans(text)] == tokens


def test_nothing_is_cut_silently() -> None:
    with pytest.raises(TextTooLong, match="600 tokens, fake takes 512"):
        FakeEncoder().encode_queries(["w " * 600])
