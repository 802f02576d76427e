"""A corpus -> queries without a language model: what its authors wrote above and at the head of passages.

A title asks for its body, a first sentence for what follows, a sentence full of rare words for its
surroundings, and the rarest words for the passage. What becomes a query is taken out of the passage, or it
would be found by its letters alone.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.batches import key
from training.data import Row

_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？।؟])\s*|\n+")
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: no spaces between words."""
_KEYWORDS = 5


@dataclass(frozen=True, slots=True)
class Passage:
    title: str
    """Empty if it has none."""
    text: str


def queries(passages: Sequence[Passage], *, least_chars: int, per_passage: int, seed: int) -> Iterator[Row]:
    """Up to `per_passage` rows for each passage, see `queries_of`."""
    rarity = rarities(passages)
    for passage in passages:
        yield from queries_of(passage, rarity, least_chars=least_chars, seed=seed)[:per_passage]


def rarities(passages: Sequence[Passage]) -> dict[str, float]:
    """Word -> how rare it is among the passages: the logarithm of their number by those that have it."""
    documents = Counter(word for passage in passages for word in set(words(passage.text)))
    return {word: math.log(len(passages) / count) for word, count in documents.items()}


def queries_of(passage: Passage, rarity: dict[str, float], *, least_chars: int, seed: int) -> list[Row]:
    """The rows of a passage, its title's first; none whose query or what is left of the passage is shorter
    than `least_chars` (a fifth of it for queries)."""
    rng = np.random.default_rng([seed, key(passage.text) % 2**63])
    found = [row for row in _all(passage, rarity, rng) if _fits(row, least_chars)]
    titled = [row for row in found if row.task == "title"]
    others = [row for row in found if row.task != "title"]
    return titled + [others[at] for at in rng.permutation(len(others))]


def words(text: str) -> list[str]:
    """Of a text in any script; pairs of letters where words are not set apart."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.search(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


def sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def _all(passage: Passage, rarity: dict[str, float], rng: np.random.Generator) -> Iterator[Row]:
    body = passage.text.strip()
    if passage.title and body.startswith(passage.title):
        body = body[len(passage.title) :].strip()
    if passage.title:
        yield Row(passage.title, (body,), task="title")
    parts = sentences(body)
    titled = f"{passage.title}\n" if passage.title else ""
    if len(parts) >= 2:
        yield Row(parts[0], (titled + " ".join(parts[1:]),), task="first sentence")
    if len(parts) >= 3:
        weights = [_weight(part, rarity) for part in parts]
        at = int(np.argmax(weights[1:])) + 1
        yield Row(parts[at], (titled + " ".join(parts[:at] + parts[at + 1 :]),), task="sentence")
    counts = Counter(word for word in _WORD.findall(body) if not _UNSPACED.search(word))
    ranked = sorted(counts, key=lambda word: -counts[word] * rarity.get(word.casefold(), 0.0))[:_KEYWORDS]
    if len(ranked) >= 3:
        yield Row(" ".join(rng.permutation(ranked).tolist()), (titled + body,), task="keywords")


def _weight(sentence: str, rarity: dict[str, float]) -> float:
    """Mean rarity of its words, less for the very short and the very long."""
    found = words(sentence)
    if not 4 <= len(found) <= 60:
        return 0.0
    return sum(rarity.get(word, 0.0) for word in set(found)) / math.sqrt(len(found))


def _fits(row: Row, least_chars: int) -> bool:
    weight = 3 if _UNSPACED.search(row.query) else 1  # such scripts say more by letter
    return len(row.query) * weight * 5 >= least_chars and len(row.positives[0]) * weight >= least_chars
