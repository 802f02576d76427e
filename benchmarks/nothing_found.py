"""How often Ask finds nothing wrongly, and how often it should have: python -m benchmarks.nothing_found PACK

Each task in one language loses half of the documents that answer its questions. Asked are its questions that
still have an answer (own), those that lost it (near: the same subject, so what is found may well be worth
reading), and those of other tasks in the language (elsewhere). Across languages: questions about the parallel
paragraphs of the cross-lingual pool, to documents in one other language. An answer is given where a hit
reaches the encoder's floor, as in `app.answer`.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

import embedder
from benchmarks import evalpack
from embedder.encoder import Encoder, Floor, Vectors
from embedder.fitting import fit
from ingest import lexical, windows
from ingest.pipeline import default_chunking

QUESTIONS = 200
"""Of a task and kind, at most, drawn by a fixed seed."""
_APART = ("bitext", "x_", "xquad", "docs_")


@dataclass(frozen=True, slots=True)
class Held:
    task: evalpack.Task
    vectors: Vectors
    """Of all windows."""
    sizes: list[int]
    """Windows of each chunk."""
    texts: list[str]
    """Of the chunks."""
    owners: list[int]
    """Their documents."""
    asked: Vectors
    """Of all queries."""


def main(
    pack: Annotated[Path, tyro.conf.Positional],
    model: str = "kalm-nano",
    only: tuple[str, ...] = (),
    floors: tuple[float, ...] = (),
    threads: int = 1,
) -> None:
    """Print shares of questions by task and kind; `floors`: other scores than the card's to try."""
    torch.set_num_threads(threads)
    encoder = embedder.load(model, "cpu", threads=threads)
    card = encoder.card.floor
    if card is None:
        raise SystemExit(f"{model} has no floor")
    tried = [card, *(Floor(score, card.words, card.abroad) for score in floors)]
    held = [hold(task, encoder) for task in evalpack.tasks(pack, only) if not task.name.startswith(_APART)]
    for floor in tried:
        print(f"\n{floor}\n{'':<18}{'own, no answer':>16}{'near, an answer':>17}{'elsewhere, an answer':>22}")
        rows = [shares(one, held, floor) for one in held]
        for one, row in zip(held, rows, strict=True):
            print(f"{one.task.name:<18}" + "".join(f"{_percent(share):>18}" for share in row))
        print(f"{'mean':<18}" + "".join(f"{_percent(share):>18}" for share in np.nanmean(rows, axis=0)))
    if card.abroad is not None and not only:
        across(hold(evalpack.read(pack / "xquad_xling_pool"), encoder), held, card.abroad)


def hold(task: evalpack.Task, encoder: Encoder) -> Held:
    chunking = default_chunking(encoder)
    vectors: list[Vectors] = []
    texts, owners = [], []
    for at, chunks in enumerate(evalpack.chunked(task, encoder)):
        vectors += windows.encode(chunks, encoder, chunking)
        texts += [f"{task.titles[at]}\n{chunk.text}" for chunk in chunks]
        owners += [at] * len(chunks)
    asked = encoder.encode_queries([fit(query, encoder)[0] for query in task.queries])
    return Held(task, np.concatenate(vectors), list(map(len, vectors)), texts, owners, asked)


def shares(one: Held, others: list[Held], floor: Floor) -> tuple[float, float, float]:
    """Of own questions without an answer; of near ones and of those from elsewhere with one."""
    answers = sorted({document for relevant in one.task.relevant for document in relevant})
    gone = set(answers[len(answers) // 2 :])
    lost = [gone.issuperset(relevant) for relevant in one.task.relevant]
    own = [at for at, is_lost in enumerate(lost) if not is_lost]
    near = [at for at, is_lost in enumerate(lost) if is_lost]
    language = one.task.languages[0]
    elsewhere = [
        answered(one, gone, other, range(len(other.task.queries)), floor)
        for other in others
        if other is not one and other.task.languages[0] == language
    ]
    return (
        1 - answered(one, gone, one, own, floor),
        answered(one, gone, one, near, floor),
        float(np.mean(elsewhere)) if elsewhere else float("nan"),
    )


def answered(one: Held, gone: set[int], asking: Held, queries: list[int] | range, floor: Floor) -> float:
    """Share of the queries of `asking` for which a chunk of `one` reaches the floor."""
    chosen = np.random.default_rng(0).permutation(list(queries))[:QUESTIONS]
    kept = np.array([owner not in gone for owner in one.owners])
    begins = np.cumsum(one.sizes) - one.sizes
    cosines = np.maximum.reduceat(asking.asked[chosen] @ one.vectors.T, begins, axis=1)[:, kept]
    texts = [text for text, keep in zip(one.texts, kept, strict=True) if keep]
    terms = lexical.encode_queries([asking.task.queries[at] for at in chosen])
    words = evalpack.lexical_scores(terms, lexical.encode_documents(texts))
    bounds = np.array([lexical.bound(vector, len(texts)) for vector in terms])
    reached = cosines + floor.words * words / np.maximum(bounds, 1e-9)[:, None] >= floor.score
    return float(reached.any(axis=1).mean())


def across(pool: Held, others: list[Held], least: float) -> None:
    """Questions in one language, documents in another, which can't share words: the cosine alone."""
    begins = np.cumsum(pool.sizes) - pool.sizes
    spoken = np.array(pool.task.document_languages)[pool.owners]
    owners = np.array(pool.owners)
    own = np.maximum.reduceat(pool.asked @ pool.vectors.T, begins, axis=1)
    counts: dict[str, list[bool]] = defaultdict(list)
    for language in sorted(set(spoken.tolist())):
        there = spoken == language
        for row, asked, relevant in zip(own, pool.task.languages, pool.task.relevant, strict=True):
            if asked == language or not any(owners[at] in relevant for at in np.flatnonzero(there)):
                continue
            counts["answered"].append(bool(row[there].max() >= least))
            if counts["answered"][-1]:
                counts["right"].append(owners[there][row[there].argmax()] in relevant)
        for other in others:
            if other.task.languages[0] != language and other.task.name.startswith(
                ("en_medquad", "ja_", "de_law")
            ):
                found = np.maximum.reduceat(other.asked[:QUESTIONS] @ pool.vectors.T, begins, axis=1)[
                    :, there
                ]
                counts["elsewhere"] += (found.max(axis=1) >= least).tolist()
    shown = {name: _percent(float(np.mean(values))) for name, values in counts.items()}
    print(
        f"\nacross languages, cosine {least}: {shown['answered']} of the questions get an answer, the first "
        f"hit of {shown['right']} of these is right; from elsewhere {shown['elsewhere']} get one"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    tyro.cli(main)
