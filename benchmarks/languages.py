"""Our reading of langdetect's profiles against langdetect itself: python -m benchmarks.languages

On sentences and paragraphs of the evaluation pack whose language is known, of those languages that share a
script with others, with the same script rules before both.
"""

import json
import random
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path

from langdetect import DetectorFactory, detect_langs
from langdetect.lang_detect_exception import LangDetectException

from benchmarks.machine import describe
from ingest import language
from ingest.profiles import likeliest

EVALPACK = Path(__file__).parents[2] / "shared" / "data" / "evalpack" / "dev"
FILES = (
    "bitext_tatoeba/queries",
    "bitext_ntrex/queries",
    "xquad_xling_pool/queries",
    "xquadr_sentences/corpus",
    "docs_headings/corpus",
)
MOST_CHARS = 600
TEXTS = 1000
"""Of each file."""


def main() -> None:
    """Print milliseconds per text and the share told right, by task."""
    print(describe())
    texts = [(name, row["lang"], row["text"][:MOST_CHARS]) for name in FILES for row in sample(name)]
    texts = [one for one in texts if any(one[1] in group for group in language._SHARED.values())]
    tables: dict[str, dict[str, list[bool]]] = {}
    for name, by_words in (("langdetect", langdetect), ("ours", likeliest)):
        by_words(texts[0][2], language._SHARED["latin"])  # loads
        language.likeliest = by_words
        begin = time.perf_counter()
        found = [language.detect(text) for _, _, text in texts]
        milliseconds = (time.perf_counter() - begin) / len(texts) * 1e3
        tables[f"{name}, {milliseconds:.2f} ms"] = rights = defaultdict(list)
        for (task, known, _), guess in zip(texts, found, strict=True):
            rights[task].append(known == guess)
    print(f"{'':<28}" + "".join(f"{name:>24}" for name in tables))
    for task in FILES:
        shares = [sum(rights[task]) / len(rights[task]) for rights in tables.values()]
        print(f"{task:<28}" + "".join(f"{share:>24.1%}" for share in shares))


def sample(name: str) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in (EVALPACK / f"{name}.jsonl").read_text().splitlines()]
    random.Random(0).shuffle(rows)
    return rows[:TEXTS]


def langdetect(text: str, candidates: tuple[str, ...]) -> str | None:
    DetectorFactory.seed = 0
    try:
        guesses = detect_langs(text)
    except LangDetectException:
        return None
    return next((guess.lang for guess in islice(guesses, 3) if guess.lang in candidates), None)


if __name__ == "__main__":
    main()
