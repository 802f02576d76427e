"""Lexical search alone, task by task, beside the pack's own BM25: python -m benchmarks.lexical PACK

Whole documents, no chunks, exact search. The pack's BM25 counts words, and in Chinese, Japanese and Korean
characters and their pairs. Ours is told the language of nothing; docs/lexical.md says what was tried.
"""

import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmarks import evalpack
from benchmarks.machine import describe
from ingest import lexical

_MONOLINGUAL = ("bitext", "x_law", "xquad")
"""Tasks that begin so ask across languages: they say nothing about one."""


def main(pack: Annotated[Path, tyro.conf.Positional], only: tuple[str, ...] = ()) -> None:
    """Print nDCG@10 x 100 per task and per language, and how fast texts become vectors."""
    reference = evalpack.references(pack)
    ours: dict[str, float] = {}
    by_language: dict[str, list[tuple[float, float]]] = defaultdict(list)
    texts = chars = terms = 0
    seconds = 0.0
    print(f"{'task':<18} {'BM25':>6} {'ours':>6} {'':>6}   nDCG@10 x 100")
    for task in evalpack.tasks(pack, only):
        begin = time.perf_counter()
        documents = lexical.encode_documents(task.documents)
        seconds += time.perf_counter() - begin
        texts += len(documents)
        chars += sum(map(len, task.documents))
        terms += sum(len(vector.indices) for vector in documents)
        values = evalpack.ndcg(evalpack.lexical_scores(lexical.encode_queries(task.queries), documents), task)
        ours[task.name] = float(values.mean())
        _print_row(task.name, reference[task.name], ours[task.name])
        if len(set(task.languages)) == 1 and not task.name.startswith(_MONOLINGUAL):
            by_language[task.languages[0]].append((reference[task.name], ours[task.name]))
    _print_row("average", *np.mean([(reference[name], value) for name, value in ours.items()], axis=0))
    print("\nlanguage, over the tasks in it alone")
    for language, pairs in sorted(by_language.items()):
        _print_row(language, *np.mean(pairs, axis=0))
    print(
        f"\n{texts / seconds:.0f} texts/s, {chars / texts:.0f} characters and {terms / texts:.0f} terms "
        f"each; {describe()}"
    )


def _print_row(name: str, reference: float, ours: float) -> None:
    print(f"{name:<18} {100 * reference:>6.1f} {100 * ours:>6.1f} {100 * (ours - reference):>+6.1f}")


if __name__ == "__main__":
    tyro.cli(main)
