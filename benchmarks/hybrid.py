"""Dense, lexical, and ways to join them, task by task: python -m benchmarks.hybrid PACK CACHE

Chunks and windows as the product makes them, 100 candidates from each leg, a document as good as its best
chunk. The second table is of tasks that cross languages; an encoder that reads one alone is lent that: every
text of the parallel tasks then has the vector of its English twin.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import tyro

import embedder
from benchmarks import evalpack
from embedder.encoder import Encoder, Vectors
from embedder.fitting import fit
from ingest import language, lexical, windows
from ingest.pipeline import default_chunking

CANDIDATES = 100
_LANGUAGE = re.compile(r"-(zh-Hant|\w\w)$")
_FOUND = 1e-6
"""So that the last candidate is above 0, where what was not found is."""
_ACROSS = ("bitext", "x_", "xquad")
_PAIRS = [
    "en>en",
    "zh>zh",
    "ar>ar",
    "en>es",
    "es>en",
    "zh>en",
    "ar>de",
    "ru>es",
    "en>all",
    "zh>all",
    "ar>all",
]

Values = npt.NDArray[np.float64]
Leg = tuple[npt.NDArray[np.int64], Values]
"""Candidates, best first, and their scores."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a join knows of one query."""

    dense: Leg
    lexical: Leg
    bound: float
    """BM25 of a document that had every term of the query, were each as rare as can be."""
    languages: npt.NDArray[np.str_]
    """Of all chunks."""
    language: str
    """Of the query, as the product sees it: often unknown."""


@dataclass(frozen=True, slots=True)
class Case:
    task: evalpack.Task
    owners: npt.NDArray[np.int64]
    """The document of each chunk."""
    asked: list[Asked]


Join = Callable[[Asked], tuple[Values, Values]]
"""What a candidate gets from the dense leg, and from the lexical one; from a leg without it nothing."""


def reciprocal(k: int, weight: float = 0.5) -> Join:
    """Reciprocal rank fusion; `weight` is the lexical leg's."""

    def join(asked: Asked) -> tuple[Values, Values]:
        dense, words = (1 / (k + np.arange(len(scores))) for _, scores in (asked.dense, asked.lexical))
        return (1 - weight) * dense, weight * words

    return join


def scaled(weight: float, by: Callable[[Values], float]) -> Join:
    """Scores above the leg's last candidate, over the leg's range or deviation."""

    def join(asked: Asked) -> tuple[Values, Values]:
        dense, words = (
            _above(scores) / max(by(scores), 1e-9) if len(scores) else scores
            for _, scores in (asked.dense, asked.lexical)
        )
        return (1 - weight) * dense, weight * words

    return join


def added(worth: float, sure: float = 0.0, foreign: float = 0.0, abroad: float | None = None) -> Join:
    """The cosine plus `worth` x the BM25 score over the best one.

    A best score below `sure` x the bound counts for less: it shares a few words with the query, not what is
    asked. `foreign`: a chunk in another language than most of the lexical hits can't share words, which is
    no evidence against it; it gets as much, times `foreign`, as its cosine says. `abroad`: `worth` where the
    query is in another language than most of the lexical hits, and what they share are names.
    """

    def join(asked: Asked) -> tuple[Values, Values]:
        (near, cosines), (found, scores) = asked.dense, asked.lexical
        dense = _above(cosines)
        if not len(scores):
            return dense, scores
        (spoken, _), *_ = Counter(asked.languages[found[:10]].tolist()).most_common(1)
        names = abroad is not None and asked.language not in (spoken, language.UNKNOWN)
        words = (abroad if names else worth) * _above(scores) / max(scores[0], sure * asked.bound)
        if foreign:
            elsewhere = asked.languages[near] != spoken
            assumed = foreign * words[0] * dense / max(dense[0], 1e-9)
            dense = dense + np.where(elsewhere, assumed, 0)
            words = np.where(np.isin(found, near[elsewhere]), 0, words)
        return dense, words

    return join


def dense(asked: Asked) -> tuple[Values, Values]:
    return _above(asked.dense[1]), np.zeros(len(asked.lexical[1]))


def words(asked: Asked) -> tuple[Values, Values]:
    return np.zeros(len(asked.dense[1])), _above(asked.lexical[1])


JOINS: dict[str, Join] = {
    "dense": dense,
    "lexical": words,
    **{f"reciprocal, k {k}": reciprocal(k) for k in (10, 60)},
    **{f"min-max {weight}": scaled(weight, np.ptp) for weight in (0.3, 0.5, 0.7)},
    **{f"z {weight}": scaled(weight, np.std) for weight in (0.3, 0.5, 0.7)},
    **{f"added {worth}": added(worth) for worth in (0.5, 0.7, 0.9, 1.3, 1.7, 2.2)},
    **{f"added {worth}, sure": added(worth, 0.1) for worth in (0.7, 1.7)},
    **{f"added 1.7, sure, abroad {worth}": added(1.7, 0.1, abroad=worth) for worth in (0.3, 0.4, 0.5)},
    **{f"the same, 0.4, foreign {part}": added(1.7, 0.1, part, 0.4) for part in (0.5, 0.7, 0.85)},
}


def main(
    pack: Annotated[Path, tyro.conf.Positional],
    cache: Annotated[Path, tyro.conf.Positional],
    model: str = "kalm-nano",
    only: tuple[str, ...] = (),
    most_documents: int = 10_000,
) -> None:
    """Print nDCG@10 x 100. Vectors are kept in `cache`; the tasks that aren't English are cut to their
    first `most_documents`."""
    encoder = embedder.load(model)
    cache = cache / encoder.fingerprint
    cache.mkdir(parents=True, exist_ok=True)
    crosses = len(encoder.card.language_codes) != 1
    alone, across = [], []
    for task in evalpack.tasks(pack, only):
        if crosses and task.name.startswith(_ACROSS):
            across.append(chunked(task, encoder, cache))
        elif not task.name.startswith(_ACROSS):
            size = len(task.texts) if set(task.languages) == {"en"} else most_documents
            alone.append(chunked(evalpack.part(task, range(min(size, len(task.texts)))), encoder, cache))
    show("one language a task", alone)
    if not only and not crosses:
        across = twins(pack, encoder)
    show("across languages", across)


def chunked(task: evalpack.Task, encoder: Encoder, cache: Path) -> Case:
    """The task searched by chunks, each as near as its nearest window."""
    chunking = default_chunking(encoder)
    saved = cache / f"{task.name}-{len(task.texts)}.npz"
    embedded: list[Vectors] = []
    words: list[str] = []
    owners: list[int] = []
    for at, chunks in enumerate(evalpack.chunked(task, encoder)):
        if not saved.is_file():
            embedded += windows.encode(chunks, encoder, chunking)
        words += [f"{task.titles[at]}\n{piece.text}" for piece in chunks]
        owners += [at] * len(chunks)
    if not saved.is_file():
        queries = encoder.encode_queries([fit(query, encoder)[0] for query in task.queries])
        sizes = [len(vectors) for vectors in embedded]
        np.savez(saved, windows=np.concatenate(embedded), sizes=sizes, queries=queries)
    with np.load(saved) as vectors:
        near = vectors["queries"] @ vectors["windows"].T
        begins = vectors["sizes"].cumsum() - vectors["sizes"]
    return case(task, np.maximum.reduceat(near, begins, axis=1), words, np.array(owners))


def twins(pack: Path, encoder: Encoder) -> list[Case]:
    """Tasks whose every text has an English twin, which lends it its vector."""
    law = evalpack.read(pack / "en_law")
    cases = [_twinned(evalpack.read(pack / name), law, encoder) for name in ("fr_law", "x_law_en2fr")]
    pool = evalpack.read(pack / "xquad_xling_pool")
    english = _of(pool, "en", "en")
    for pair in _PAIRS:
        asked, held = pair.split(">")
        cases.append(_twinned(replace(_of(pool, asked, held), name=pair), english, encoder))
    return cases


def _of(task: evalpack.Task, asked: str, held: str) -> evalpack.Task:
    """Queries in one language, documents in one, or in all."""
    documents = [at for at, language in enumerate(task.document_languages) if held in (language, "all")]
    return evalpack.part(
        task, documents, [at for at, language in enumerate(task.languages) if language == asked]
    )


def _twinned(task: evalpack.Task, english: evalpack.Task, encoder: Encoder) -> Case:
    def place(ids: Sequence[str]) -> dict[str, int]:
        return {_without_language(name): at for at, name in enumerate(ids)}

    documents, queries = place(english.document_ids), place(english.query_ids)
    task = evalpack.part(
        task,
        [at for at, name in enumerate(task.document_ids) if _without_language(name) in documents],
        [at for at, name in enumerate(task.query_ids) if _without_language(name) in queries],
    )
    asked = encoder.encode_queries([fit(query, encoder)[0] for query in english.queries])
    held = encoder.encode_documents([fit(text, encoder)[0] for text in english.documents])
    cosines = (asked @ held.T)[
        np.ix_(
            [queries[_without_language(name)] for name in task.query_ids],
            [documents[_without_language(name)] for name in task.document_ids],
        )
    ]
    if (
        len(set(task.document_languages)) > 1
    ):  # encoders favour the query's language a little, and are not exact
        near = np.array([task.languages[0] == language for language in task.document_languages])
        cosines = cosines + 0.05 * near + np.random.default_rng(0).normal(0, 0.02, cosines.shape)
    return case(task, cosines, task.documents, np.arange(len(task.texts)))


def _without_language(name: str) -> str:
    return _LANGUAGE.sub("", name)


def case(task: evalpack.Task, cosines: Vectors, words: Sequence[str], owners: npt.NDArray[np.int64]) -> Case:
    """cosines: (queries, chunks)"""
    asked = lexical.encode_queries(task.queries)
    scores = evalpack.lexical_scores(asked, lexical.encode_documents(words))
    languages = np.array(task.document_languages)[owners]
    return Case(
        task,
        owners,
        [
            Asked(
                _best(near, -1),
                _best(found, 0),
                lexical.bound(vector, len(words)),
                languages,
                language.detect(query),
            )
            for near, found, vector, query in zip(cosines, scores, asked, task.queries, strict=True)
        ],
    )


def _best(scores: npt.NDArray[np.float32], least: float) -> Leg:
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    order = order[scores[order] > least]
    return order, scores[order].astype(np.float64)


def _above(scores: Values) -> Values:
    return scores - scores[-1] if len(scores) else scores


def quality(found: Case, join: Join) -> float:
    scores = np.zeros((len(found.task.queries), len(found.task.texts)), np.float32)
    for row, asked in zip(scores, found.asked, strict=True):
        chunks: dict[int, float] = defaultdict(float)
        for (candidates, _), values in zip((asked.dense, asked.lexical), join(asked), strict=True):
            for candidate, value in zip(candidates.tolist(), values.tolist(), strict=True):
                chunks[candidate] += value
        for candidate, value in chunks.items():
            document = found.owners[candidate]
            row[document] = max(row[document], value + _FOUND)
    return 100 * float(evalpack.ndcg(scores, found.task).mean())


def show(heading: str, cases: Sequence[Case]) -> None:
    if not cases:
        return
    rows = {name: np.array([quality(found, join) for found in cases]) for name, join in JOINS.items()}
    best = np.maximum(rows["dense"], rows["lexical"])
    print(
        f"\n{heading}\n{'':<28}"
        + " ".join(f"{found.task.name[:7]:>7}" for found in cases)
        + "  average    worst"
    )
    for name, values in rows.items():
        print(
            f"{name:<28}"
            + " ".join(f"{value:>7.1f}" for value in values)
            + f"  {values.mean():>7.2f}  {(values - best).min():>+7.2f}"
        )
    print("worst: against the better leg of the task")


if __name__ == "__main__":
    tyro.cli(main)
