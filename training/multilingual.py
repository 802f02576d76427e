"""Texts of many languages -> a small tokenizer for encoders that only read: nothing is ever decoded.

Lower case and NFKC, no marks for spaces (a word is one token whether it stands alone or ends a compound),
words cut where the script changes, digits in groups of four. Characters that are rare in the texts are read
as their bytes. A model's prompts are one token each, so that an instruction costs a short query nothing.

transformers 5 gives every model of type qwen2 Qwen's own normalizer, whatever tokenizer.json says: models
with this tokenizer are of type qwen3.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

PADDING = "<unk>"
_RAREST = 4
"""Occurrences below which a character is read as bytes."""
_LONGEST = 14
"""Characters of a token: scripts without spaces would fill the vocabulary with clauses."""
_WORDS = r"\p{N}{1,4}|[^\p{L}\p{M}\p{N}]"
"""Digits, and all that is neither letter nor mark nor digit, apart from what stands beside it."""


def multilingual(texts: Iterable[str], size: int, prompts: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding of `size` tokens, those of the prompts included. The texts decide what languages are
    read well: balance them first."""
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    plain = [normalizer.normalize_str(text) for text in texts]
    common = {character for character, count in Counter("".join(plain)).items() if count >= _RAREST}
    rare = re.compile(f"[^{re.escape(''.join(sorted(common)))}\\s]") if common else re.compile(".")
    tokenizer = Tokenizer(models.BPE(unk_token=PADDING, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.UnicodeScripts(),
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(prompts),
        special_tokens=[PADDING, *(f"<0x{byte:02X}>" for byte in range(256))],
        max_token_length=_LONGEST,
        show_progress=False,
    )
    tokenizer.train_from_iterator((rare.sub(" ", text) for text in plain), trainer)
    tokenizer.add_tokens([AddedToken(prompt, normalized=False, special=False) for prompt in prompts])
    return tokenizer
