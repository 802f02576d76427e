"""Retrieval tasks in files: read, searched exactly, scored by nDCG@10

A task is a folder with `corpus.jsonl` {_id, title, text, lang}, `queries.jsonl` {_id, text, lang} and
`qrels.tsv` (query, document, score).
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from embedder.encoder import Encoder
from ingest.chunk import chunk
from ingest.lexical import SparseVector
from ingest.pipeline import default_chunking
from ingest.records import Chunk, Element

Scores = npt.NDArray[np.float32]
"""(queries, documents)"""
DEPTH = 10


@dataclass(frozen=True, slots=True)
class Task:
    name: str
    document_ids: list[str]
    query_ids: list[str]
    titles: list[str]
    """Of the documents; empty where there is none."""
    texts: list[str]
    document_languages: list[str]
    queries: list[str]
    languages: list[str]
    """Of the queries."""
    relevant: list[dict[int, float]]
    """Per query: document -> score."""

    @property
    def documents(self) -> list[str]:
        """Title and text."""
        pairs = zip(self.titles, self.texts, strict=True)
        return [f"{title}\n{text}" if title else text for title, text in pairs]


def read(folder: Path) -> Task:
    corpus = _lines(folder / "corpus.jsonl")
    queries = _lines(folder / "queries.jsonl")
    place = {document["_id"]: at for at, document in enumerate(corpus)}
    judged: dict[str, dict[int, float]] = defaultdict(dict)
    with (folder / "qrels.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged[row["query-id"]][place[row["corpus-id"]]] = float(row["score"])
    return Task(
        folder.name,
        [document["_id"] for document in corpus],
        [query["_id"] for query in queries],
        [document.get("title") or "" for document in corpus],
        [document["text"] for document in corpus],
        [document["lang"] for document in corpus],
        [query["text"] for query in queries],
        [query["lang"] for query in queries],
        [judged[query["_id"]] for query in queries],
    )


def part(task: Task, documents: Sequence[int], queries: Sequence[int] | None = None) -> Task:
    """The task with only these documents and these queries, of which those without an answer are dropped."""
    place = {document: at for at, document in enumerate(documents)}
    kept = [
        at
        for at in (range(len(task.queries)) if queries is None else queries)
        if any(document in place for document in task.relevant[at])
    ]
    return replace(
        task,
        titles=[task.titles[at] for at in documents],
        texts=[task.texts[at] for at in documents],
        document_languages=[task.document_languages[at] for at in documents],
        document_ids=[task.document_ids[at] for at in documents],
        queries=[task.queries[at] for at in kept],
        languages=[task.languages[at] for at in kept],
        query_ids=[task.query_ids[at] for at in kept],
        relevant=[
            {place[document]: score for document, score in task.relevant[at].items() if document in place}
            for at in kept
        ],
    )


def tasks(pack: Path, only: Sequence[str] = ()) -> list[Task]:
    """The retrieval tasks of a pack by name, or those that begin with one of `only`."""
    folders = sorted(path.parent for path in pack.glob("*/qrels.tsv"))
    return [read(folder) for folder in folders if not only or folder.name.startswith(tuple(only))]


def chunked(task: Task, encoder: Encoder) -> Iterator[list[Chunk]]:
    """The chunks of each document, as the product makes them."""
    size = default_chunking(encoder).chunk_tokens
    for title, text in zip(task.titles, task.texts, strict=True):
        elements = [Element("title", title)] if title else []
        elements += [Element("text", part) for part in text.split("\n\n") if part.strip()]
        yield list(chunk(elements, version="", name="", token_spans=encoder.token_spans, max_tokens=size))


def references(pack: Path) -> dict[str, float]:
    """BM25 nDCG@10 per task, 0 to 1, from the table in the README two folders up."""
    table = (pack.parents[1] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| \w+ \|[^|]*\|[^|]*\| ([\d.]+) \|", table, re.MULTILINE)
    return {name: float(value) for name, value in rows}


def ndcg(scores: Scores, task: Task) -> npt.NDArray[np.float64]:
    """nDCG@10 of each query. A document without a score above 0 is not found; ties go to the earlier one."""
    discounts = 1 / np.log2(np.arange(DEPTH) + 2)
    values = []
    for row, relevant in zip(scores, task.relevant, strict=True):
        best = np.argsort(-row, kind="stable")[:DEPTH]
        gains = [relevant.get(at, 0.0) if row[at] > 0 else 0.0 for at in best.tolist()]
        ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
        values.append(np.dot(gains, discounts[: len(gains)]) / np.dot(ideal, discounts[: len(ideal)]))
    return np.array(values)


def lexical_scores(queries: Sequence[SparseVector], documents: Sequence[SparseVector]) -> Scores:
    """Every query against every document, as the index does it: IDF over these documents, exact."""
    columns = np.unique(np.concatenate([vector.indices for vector in documents]))
    held = _matrix(documents, columns)
    counts = np.bincount(held.indices, minlength=len(columns))
    idf = np.log(1 + (len(documents) - counts + 0.5) / (counts + 0.5))
    scores = _matrix(queries, columns) @ sparse.diags_array(idf) @ held.T
    return scores.toarray().astype(np.float32)


def _matrix(vectors: Sequence[SparseVector], columns: npt.NDArray[np.uint32]) -> Any:
    """(vectors, columns), without the terms that are not in `columns`."""
    rows = np.repeat(np.arange(len(vectors)), [len(vector.indices) for vector in vectors])
    indices = np.concatenate([vector.indices for vector in vectors])
    values = np.concatenate([vector.values for vector in vectors]).astype(np.float64)
    at = np.searchsorted(columns, indices).clip(max=len(columns) - 1)
    known = columns[at] == indices
    shape = (len(vectors), len(columns))
    return sparse.csr_array((values[known], (rows[known], at[known])), shape=shape)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
