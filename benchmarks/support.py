"""How often an answer's sentence is marked wrongly: python -m benchmarks.support PACK [--model NAME]

Meaning: pairs of STS (4 and more of 5 say the same, 1 and less do not), the second among four other
sentences as in a passage; and sentences of encyclopedia passages against the rest of their own passage, which
is about the same and says something else. Numbers: sentences with one of them altered against their whole
passage, and translations, in which every number should be found.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import tyro

import embedder
from app.figures import missing
from benchmarks import evalpack
from benchmarks.machine import describe
from ingest.sentences import sentences

OTHERS = 4
"""Sentences around one of a pair."""
SUBJECTS = (
    "en_wiki",
    "de_xquad",
    "ru_xquad",
    "ja_jaquad",
    "fr_piaf",
    "hi_xquad",
    "ar_arcd",
    "th_xquad",
    "zh_cmrc",
)
"""Tasks whose passages' sentences are of one subject, the one with altered numbers first."""
PASSAGES = 200
LEAST_CHARS, MOST_CHARS = 40, 500
"""Of a sentence that is no caption, table or code."""
Cosines = npt.NDArray[np.float32]


def main(pack: Annotated[Path, tyro.conf.Positional], model: str = "kalm-nano") -> None:
    """Print shares at thresholds and at those on the model's card, over the languages it knows."""
    chance = random.Random(0)
    encoder = embedder.load(model, "cpu")
    print(f"{model}, {describe()}")
    sides: dict[str, dict[str, Cosines]] = {"same": {}, "other": {}, "rest of its passage": {}}
    for path in sorted(pack.glob("sts/sts_*.jsonl")):
        language = path.stem.removeprefix("sts_")
        if encoder.card.language_codes and language not in encoder.card.language_codes:
            continue
        pairs = rows(path)
        same = [among(pair, pairs, chance) for pair in pairs if float(pair["score"]) >= 4]
        other = [among(pair, pairs, chance) for pair in pairs if float(pair["score"]) <= 1]
        sides["same"][language] = nearest(encoder, same)
        sides["other"][language] = nearest(encoder, other)
    for name in SUBJECTS:
        task = evalpack.read(pack / name)
        found = [parts for parts in map(split, task.texts[:PASSAGES]) if len(parts) > 1]
        if not encoder.card.language_codes or task.languages[0] in encoder.card.language_codes:
            apart_ = [apart(parts, chance) for parts in found]
            sides["rest of its passage"][task.languages[0]] = nearest(encoder, apart_)
    print("share at or above a cosine, %, mean of the languages\n" + " " * 6, end="")
    print("".join(f"{f'{name} ({len(values)})':>26}" for name, values in sides.items()))
    for threshold in np.arange(0.3, 0.96, 0.05):
        means = [np.mean([np.mean(one >= threshold) for one in values.values()]) for values in sides.values()]
        print(f"{threshold:>6.2f}" + "".join(f"{100 * float(mean):>26.1f}" for mean in means))
    if encoder.card.support:
        weak, sure = encoder.card.support
        print(f"as on the card, %: pairs, supported ({sure}), weak ({weak}), unsupported")
        for name, values in sides.items():
            for language, one in values.items():
                marks = one >= sure, (one >= weak) & (one < sure), one < weak
                shares = "".join(f"{100 * float(np.mean(mark)):>7.1f}" for mark in marks)
                print(f"  {name:<22}{language:<4}{len(one):>5}{shares}")
    passages = [parts for parts in map(split, evalpack.read(pack / SUBJECTS[0]).texts[:PASSAGES]) if parts]
    texts = [text for parts in passages for text in parts]
    caught = [bool(missing(changed, text)) for text in texts for changed in altered(text, chance)]
    print(f"altered numbers that are caught: {100 * np.mean(caught):.1f} % of {len(caught)}")
    translated(pack)


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def split(text: str) -> list[str]:
    found = [text[slice(*span)] for span in sentences(text)]
    return [sentence for sentence in found if LEAST_CHARS <= len(sentence) <= MOST_CHARS]


def among(pair: dict[str, str], pairs: list[dict[str, str]], chance: random.Random) -> tuple[str, list[str]]:
    """A sentence, and its partner with others from anywhere."""
    return pair["a"], [pair["b"], *(other["b"] for other in chance.sample(pairs, OTHERS))]


def apart(parts: list[str], chance: random.Random) -> tuple[str, list[str]]:
    """A sentence of a passage, and the others."""
    at = chance.randrange(len(parts))
    return parts[at], parts[:at] + parts[at + 1 :]


def nearest(encoder: embedder.Encoder, cases: list[tuple[str, list[str]]]) -> Cosines:
    """Of each sentence to the texts beside it, the best cosine: (cases,)."""
    said = encoder.encode_documents([sentence for sentence, _ in cases])
    best = [
        (encoder.encode_documents(texts) @ one).max() for one, (_, texts) in zip(said, cases, strict=True)
    ]
    return np.array(best, np.float32)


def altered(sentence: str, chance: random.Random) -> Iterator[str]:
    """The sentence with one of its numbers changed by a digit; nothing where it has none."""
    if digits := list(re.finditer(r"\d", sentence)):
        place = chance.choice(digits)
        digit = chance.choice([other for other in "123456789" if other != place[0]])
        yield sentence[: place.start()] + digit + sentence[place.end() :]


def translated(pack: Path) -> None:
    """Print, by language, how many sentences with numbers are marked though their translation is cited."""
    task = evalpack.read(pack / "bitext_ntrex")
    wrong: dict[str, list[bool]] = defaultdict(list)
    for query, language, relevant in zip(task.queries, task.languages, task.relevant, strict=True):
        if re.search(r"\d", query):
            wrong[language].append(any(missing(query, task.texts[at]) for at in relevant))
    print("translations with numbers that are marked unsupported")
    for language, marks in sorted(wrong.items()):
        print(f"  {language:<8}{100 * np.mean(marks):>6.1f} % of {len(marks)}")


if __name__ == "__main__":
    tyro.cli(main)
