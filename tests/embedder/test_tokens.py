"""A tokenizer without its model."""

import embedder


def test_the_tokenizer_alone_cuts_as_its_encoder_does() -> None:
    for name in ("fake", "all-MiniLM-L6-v2"):
        token_spans, encoder = embedder.tokenizer(name), embedder.load(name, "cpu")

        for text in ("Hello wörld, 你好", "", "a\0b"):
            assert token_spans(text) == encoder.token_spans(text)
