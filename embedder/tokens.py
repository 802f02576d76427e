"""A folder's tokenizer, and what every text goes through before it."""

import re

from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as Normalizers

from embedder.errors import BrokenModel
from embedder.layout import Layout

_UNREADABLE = re.compile("[\0\ud800-\udfff]")


def clean(text: str) -> str:
    """Without what a tokenizer chokes on, NUL and lone surrogates; every character keeps its place."""
    return _UNREADABLE.sub("\ufffd", text)


def load_tokenizer(layout: Layout) -> Tokenizer:
    """One that neither pads nor cuts and is never changed: threads share it. Raises BrokenModel."""
    from transformers import AutoTokenizer  # a second, and the remote encoder needs none of it

    try:  # not tokenizer.json alone: transformers 5 puts some of its own over what Qwen's says
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(
            layout.folder, local_files_only=True, trust_remote_code=False
        ).backend_tokenizer
    except Exception as error:  # the tokenizers library raises nothing more exact
        raise BrokenModel(f"{layout.folder / 'tokenizer.json'} can't be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if layout.lower_case:
        own = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = Normalizers([Lowercase(), *own])
    return tokenizer


def spans_of(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Where each token begins and ends, in characters of `text`, without special tokens."""
    offsets: list[tuple[int, int]] = tokenizer.encode(clean(text), add_special_tokens=False).offsets
    return offsets


def specials(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids the tokenizer puts before a text, and those it puts after it.

    >>> specials(bert)
    ([101], [102])
    """
    encoding = tokenizer.encode("a")
    text = [at for at, special in enumerate(encoding.special_tokens_mask) if not special]
    return encoding.ids[: text[0]], encoding.ids[text[-1] + 1 :]
