"""Our encoder against sentence-transformers: the same weights, the same texts, turn by turn in one run."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

import app.sample
import embedder
from benchmarks.machine import machine
from embedder.encoder import Encoder
from embedder.locate import locate
from ingest.chunk import chunk, embedded_text
from ingest.parse import parse

MODEL = "all-MiniLM-L6-v2"
ROUNDS = 7
COPIES = 4
"""Of the sample library's passages, each a little different, so that none is encoded once for all."""


def passages(encoder: Encoder) -> list[str]:
    library = Path(app.sample.__file__).parent / "library"
    texts = [
        embedded_text(one, encoder.token_spans, 200)
        for path in sorted(library.iterdir())
        for one in chunk(
            parse(path, path.name),
            version="v",
            name=path.name,
            token_spans=encoder.token_spans,
            max_tokens=200,
        )
    ]
    return [f"{number} {text}" for number in range(COPIES) for text in texts]


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main() -> None:
    ours = embedder.load(MODEL, "cpu")
    theirs = SentenceTransformer(str(locate(MODEL)[1]), device="cpu", local_files_only=True)
    texts = passages(ours)
    queries = [text[:60] for text in texts[:50]]
    jobs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        f"{len(texts)} passages": (lambda: ours.encode_documents(texts), lambda: theirs.encode(texts)),
        f"{len(queries)} queries, one by one": (
            lambda: [ours.encode_queries([query]) for query in queries],
            lambda: [theirs.encode([query]) for query in queries],
        ),
    }
    for name, (our_call, their_call) in jobs.items():
        pairs = [(seconds(our_call), seconds(their_call)) for _ in range(ROUNDS + 1)][1:]
        ratios = sorted(theirs_s / ours_s for ours_s, theirs_s in pairs)
        median = statistics.median(ours_s for ours_s, _ in pairs)
        print(
            f"{name}: {median:.2f} s, {statistics.median(ratios):.2f} times as fast as sentence-transformers "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}, {ROUNDS} rounds)"
        )
    cosine = (ours.encode_documents(texts) * theirs.encode(texts, normalize_embeddings=True)).sum(axis=1)
    print(f"cosine to sentence-transformers: at least {np.min(cosine):.7f}")
    print(machine())


if __name__ == "__main__":
    main()
