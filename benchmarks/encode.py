"""Our encoder against sentence-transformers on the same weights: python -m benchmarks.encode

Questions go one by one, as people ask them; passages in bulk, as documents are ingested. Both sides take
turns in one process with the same threads, so that whatever else the machine does hits both.
"""

import json
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch
import tyro
from sentence_transformers import SentenceTransformer

import embedder
from benchmarks.machine import SAMPLE, describe, percentile
from embedder import Encoder
from embedder.encoder import Vectors
from embedder.locate import locate
from ingest.chunk import chunk, embedded_text
from ingest.parse import parse
from ingest.pipeline import contract_of

Encode = Callable[[Sequence[str]], Vectors]


def main(model: str = "all-MiniLM-L6-v2", rounds: int = 15) -> None:
    """Encode the sample library and its questions `rounds` times with each side."""
    ours = embedder.load(model, "cpu")
    theirs = SentenceTransformer(str(locate(model)[1]), device="cpu", local_files_only=True)
    questions = [json.loads(line)["query"] for line in (SAMPLE / "queries.jsonl").read_text().splitlines()]
    texts = passages(ours)
    tokens = sum(len(ours.token_spans(text)) for text in texts)

    print(f"{model}: {len(questions)} questions; {len(texts)} passages of {tokens / len(texts):.0f} tokens")
    print(f"{'':<24} {'ours':>8} {'theirs':>8}   {'ratio':>5} {'p10-p90':>11}   worst cosine")
    one_by_one: tuple[Encode, Encode] = (
        lambda batch: np.concatenate([ours.encode_queries([text]) for text in batch]),
        lambda batch: np.stack([_query(theirs, text) for text in batch]),
    )
    in_bulk: tuple[Encode, Encode] = (
        ours.encode_documents,
        lambda batch: theirs.encode_document(list(batch), normalize_embeddings=True, show_progress_bar=False),
    )
    for what, sides, batch in (
        ("questions, ms each", one_by_one, questions),
        ("passages, ms each", in_bulk, texts),
    ):
        compare(what, *sides, batch, rounds)
    print(f"ratio above 1: ours is faster; {rounds} rounds, {torch.get_num_threads()} threads; {describe()}")


def passages(encoder: Encoder) -> list[str]:
    """What ingestion would encode of the sample library."""
    most = contract_of(encoder).chunk_tokens
    return [
        embedded_text(one, encoder.token_spans, most)
        for file in sorted((SAMPLE / "library").iterdir())
        for one in chunk(
            parse(file, file.name),
            version=file.name,
            name=file.name,
            token_spans=encoder.token_spans,
            max_tokens=most,
        )
    ]


def compare(what: str, ours: Encode, theirs: Encode, texts: Sequence[str], rounds: int) -> None:
    """Print a row: medians, the ratio within each round with its spread, and how alike the vectors are."""
    worst = float((ours(texts) * theirs(texts)).sum(axis=1).min())  # also the warm-up
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        sides = ((ours, times[0]), (theirs, times[1]))
        for encode, seconds in sides if number % 2 else reversed(sides):
            begin = time.perf_counter()
            encode(texts)
            seconds.append(time.perf_counter() - begin)
    ratios = [slow / fast for fast, slow in zip(*times, strict=True)]
    each = [median(seconds) * 1000 / len(texts) for seconds in times]
    spread = f"{percentile(ratios, 10):.2f}-{percentile(ratios, 90):.2f}"
    print(f"{what:<24} {each[0]:>8.2f} {each[1]:>8.2f}   {median(ratios):>5.2f} {spread:>11}   {worst:.6f}")


def _query(model: SentenceTransformer, text: str) -> Vectors:
    vector: Vectors = model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
    return vector


if __name__ == "__main__":
    tyro.cli(main)
