"""A text too long for the model -> its beginning, and how much of it is lost."""

from embedder.encoder import Encoder


def fit(text: str, encoder: Encoder) -> tuple[str, int]:
    """The longest beginning of `text` that the encoder takes, and the number of tokens left off.

    0 means that nothing was. A cut may change how the last words are tokenised, so it is made until it fits.
    """
    spans = encoder.token_spans(text)
    dropped = 0
    while len(spans) > encoder.room:
        dropped += len(spans) - encoder.room
        begin, end = spans[encoder.room - 1]
        text = text[: end if end < len(text) else begin]  # a character may be several tokens
        spans = encoder.token_spans(text)
    return text, dropped
