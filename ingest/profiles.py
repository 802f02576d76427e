"""langdetect's profiles, read in one pass: in which of some languages a text's letters are likeliest.

langdetect draws n-grams at random, seven times over, until one language leads. That takes longer than
encoding the text does. All n-grams weighed once tell the language as often, need no seed, and take a
fraction of the time (benchmarks/languages.py).
"""

import threading
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

_SMOOTHING = 0.5 / 10_000
"""langdetect's: what an n-gram is worth in a language whose profile lacks it."""
_loading = threading.Lock()


def likeliest(text: str, candidates: tuple[str, ...]) -> str | None:
    """The language, of `candidates` in langdetect's codes; None if no profile knows any of the letters."""
    rows, weights = _table(candidates)
    known = [row for gram in _grams(text) if (row := rows.get(gram)) is not None]
    return candidates[int(weights[known].sum(axis=0).argmax())] if known else None


def _grams(text: str) -> list[str]:
    """One to three letters in a row, with the spaces around words; words in capitals are left out."""
    grams: list[str] = []
    for word in unicodedata.normalize("NFC", text).translate(_NORMAL).split():
        if len(word) > 1 and word.isupper():
            continue
        padded = f" {word} "
        grams += word
        grams += [padded[at : at + 2] for at in range(len(padded) - 1)]
        grams += [padded[at : at + 3] for at in range(len(padded) - 2)]
    return grams


class _Normal(dict[int, str]):
    """Characters as the profiles know them; what is no letter is a space."""

    def __missing__(self, code: int) -> str:
        from langdetect.utils.ngram import NGram

        character = chr(code)
        known = NGram.normalize(character) if unicodedata.category(character)[0] in "LM" else " "
        self[code] = known
        return str(known)


_NORMAL = _Normal()


@cache
def _table(languages: tuple[str, ...]) -> tuple[dict[str, int], npt.NDArray[np.float32]]:
    """n-gram -> row, and rows of log-likelihoods `(n-grams, languages)`."""
    from langdetect import detector_factory

    with _loading:  # a cold start from several threads fails
        detector_factory.init_factory()
    factory = detector_factory._factory
    columns = [factory.langlist.index(language) for language in languages]
    shares = {gram: [found[at] for at in columns] for gram, found in factory.word_lang_prob_map.items()}
    shares = {gram: row for gram, row in shares.items() if any(row)}
    weights = np.log(np.array(list(shares.values()), np.float32) + np.float32(_SMOOTHING))
    return {gram: row for row, gram in enumerate(shares)}, weights
