"""Long texts: one vector, chunks, windows of chunks, late chunking: python -m benchmarks.long_texts

On tasks of the evaluation pack, with the product's own chunker and encoder and exact search (numpy). A
document's score is that of its nearest vector. Two figures each: nDCG@10 of documents, and where the task
has answers, how often one stands within the first 300 words of hits: that is what a reader or a language
model gets to see, and it charges long chunks for their length.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import embedder
from benchmarks.machine import describe
from embedder.encoder import Encoder, Vectors
from ingest import windows
from ingest.chunk import chunk
from ingest.index.contract import Chunking
from ingest.records import Chunk, Element

EVALPACK = Path(__file__).parents[2] / "shared" / "data" / "evalpack" / "dev"
TASKS = ("en_covidqa_long", "en_medquad", "en_law", "docs_headings")
READ_WORDS = 300
VARIANTS = {
    "one truncated vector": None,
    "chunks of 32": Chunking("windows", 32, 32),
    "chunks of 64": Chunking("windows", 64, 64),
    "chunks of 128": Chunking("windows", 128, 128),
    "chunks of 256": Chunking("windows", 256, 256),
    "chunks of 128, windows of 32": Chunking("windows", 128, 32),
    "chunks of 128, windows of 64": Chunking("windows", 128, 64),
    "chunks of 256, windows of 64": Chunking("windows", 256, 64),
    "late, chunks of 64": Chunking("late", 64, 64),
    "late, chunks of 128": Chunking("late", 128, 128),
    "late, chunks of 128, windows of 64": Chunking("late", 128, 64),
}


@dataclass(frozen=True, slots=True)
class Task:
    documents: dict[str, list[Element]]
    queries: dict[str, str]
    answers: dict[str, list[str]]
    relevant: dict[str, dict[str, int]]


def main(
    model: Annotated[str, tyro.conf.Positional] = "all-MiniLM-L6-v2",
    tasks: tuple[str, ...] = TASKS,
    language: str = "en",
) -> None:
    """Print a table per task."""
    encoder = embedder.load(model)
    print(f"{encoder.name}, {encoder.device}; {describe()}")
    for name in tasks:
        task = read(EVALPACK / name, language)
        print(f"\n{name}: {len(task.documents)} documents, {len(task.queries)} queries")
        print(f"{'':<36} nDCG@10  answers  chunks  vectors  seconds")
        queries = encoder.encode_queries(list(task.queries.values()))
        for variant, chunking in VARIANTS.items():
            print(f"{variant:<36} {measure(task, queries, encoder, chunking)}", flush=True)


def read(folder: Path, language: str) -> Task:
    """The documents and queries of a task that are in `language`."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    asked = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    asked = [row for row in asked if row.get("lang", language) == language]
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, score = line.split("\t")
        relevant.setdefault(query, {})[document] = int(score)
    return Task(
        {row["_id"]: list(elements(row)) for row in rows if row.get("lang", language) == language},
        {row["_id"]: row["text"] for row in asked},
        {row["_id"]: row.get("answers") or [] for row in asked},
        relevant,
    )


def elements(row: dict[str, str]) -> Iterator[Element]:
    if row.get("title"):
        yield Element("title", row["title"])
    for paragraph in row["text"].split("\n\n"):
        if paragraph.strip():
            yield Element("text", paragraph.strip())


def measure(task: Task, queries: Vectors, encoder: Encoder, chunking: Chunking | None) -> str:
    begin = time.perf_counter()
    owners: list[str] = []
    texts: list[str] = []
    vectors: list[Vectors] = []
    for name, parts in task.documents.items():
        if chunking is None:
            text = "\n\n".join(part.text for part in parts)
            texts.append(text)
            ends = encoder.token_spans(text)[: encoder.card.window - 2]
            vectors.append(encoder.encode_documents([text[: ends[-1][1]]]))
            owners.append(name)
            continue
        chunks = chunked(parts, name, encoder, chunking)
        vectors += windows.encode(chunks, encoder, chunking)
        texts += [one.text for one in chunks]
        owners += [name] * len(chunks)
    seconds = time.perf_counter() - begin
    starts = np.cumsum([0, *(len(rows) for rows in vectors[:-1])])
    scores = np.maximum.reduceat(queries @ np.concatenate(vectors).T, starts, axis=1)  # MaxSim
    best = np.argsort(-scores, axis=1)[:, :200]
    gains, found = [], []
    for row, query in enumerate(task.queries):
        ranked = list(dict.fromkeys(owners[at] for at in best[row]))[:10]
        gains.append(ndcg(ranked, task.relevant.get(query, {})))
        if task.answers[query] and chunking is not None:
            read_first = " ".join(" ".join(texts[at] for at in best[row]).split()[:READ_WORDS]).casefold()
            found.append(any(" ".join(text.split()).casefold() in read_first for text in task.answers[query]))
    share = f"{np.mean(found):7.1%}" if found else "      -"
    number = sum(len(rows) for rows in vectors)
    return f"{np.mean(gains):7.4f}  {share} {len(texts):>7}  {number:>7}  {seconds:>7.1f}"


def chunked(parts: list[Element], name: str, encoder: Encoder, chunking: Chunking) -> list[Chunk]:
    return list(
        chunk(
            parts,
            version=name,
            name=name,
            token_spans=encoder.token_spans,
            max_tokens=chunking.chunk_tokens,
        )
    )


def ndcg(ranked: list[str], relevant: dict[str, int]) -> float:
    """At 10."""
    discounts = 1 / np.log2(np.arange(2, 12))
    best = sum(gain * d for gain, d in zip(sorted(relevant.values(), reverse=True), discounts, strict=False))
    return sum(relevant.get(name, 0) * d for name, d in zip(ranked, discounts, strict=False)) / best


if __name__ == "__main__":
    tyro.cli(main)
