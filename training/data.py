"""Files of training data -> rows, whatever their format; every complaint names the file and the line.

    {"query", "pos": [..], "neg": [..], "pos_scores", "neg_scores" | "scores", "task", "instruction"}
                                                                   KaLM, BGE
    {"anchor" | "query", "positive", "negative" | "negative_1" ..} sentence-transformers' columns
    {"sentence1" | "a", "sentence2" | "b", "score"}                scored pairs of texts (STS)
    {"text" | "query", "label"}                                    classification, clustering
    corpus.jsonl, queries.jsonl, qrels.tsv | qrels/SPLIT.tsv       a BEIR folder

As .jsonl, .jsonl.gz or .parquet; a folder is all files in it.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.errors import BadData

Kind = Literal["retrieval", "labels", "scored"]
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
ALONE = "no_in_batch_neg"
"""FlagEmbedding's mark in a file's or folder's name: rows are no negatives of each other."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. What is empty was not given."""

    query: str
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    positive_scores: tuple[float, ...] = ()
    """A teacher's, one for each positive."""
    negative_scores: tuple[float, ...] = ()
    label: str = ""
    """Rows of one label are positives of each other (KaLM V2: better than the label's name)."""
    score: float | None = None
    """How alike people found `query` and the only positive, in any unit: only the order counts."""
    task: str = ""
    instruction: str = ""

    @property
    def kind(self) -> Kind:
        if self.label:
            return "labels"
        return "retrieval" if self.score is None else "scored"


@dataclass(frozen=True, slots=True)
class Beir:
    """A retrieval task: what is searched, what is asked, what is right."""

    name: str
    corpus: dict[str, str]
    """Id -> text, its title first."""
    queries: dict[str, str]
    relevant: dict[str, dict[str, int]]
    """Query id -> document id -> grade above 0."""
    languages: dict[str, str]
    """Query id -> language; empty where the file has none."""


def read(paths: Sequence[Path], task_fields: Sequence[str] = ("task",)) -> Iterator[Row]:
    """All rows of files and folders, in a fixed order. A row's task is what `task_fields` name in it,
    joined by "/", or the name of its file. Raises BadData."""
    for path in paths:
        if path.is_dir() and (path / "corpus.jsonl").is_file():
            yield from _beir_rows(read_beir(path))
            continue
        for file in files(path):
            for line, fields in lines_of(file):
                yield _row(fields, task_fields, file, line)


def files(path: Path) -> list[Path]:
    """The data files at a path. Raises BadData if there are none."""
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.name.endswith(SUFFIXES))
    if not found:
        problem = "has no data files" if path.is_dir() else "is not there"
        raise BadData(f"{path} {problem}: give files or folders of {', '.join(SUFFIXES)}")
    return found


def read_beir(folder: Path, split: str = "test") -> Beir:
    """Read a BEIR folder; texts keep the ids of their files. Raises BadData."""
    corpus, queries, languages = {}, {}, {}
    for line, fields in lines_of(folder / "corpus.jsonl"):
        at = folder / "corpus.jsonl", line
        title, text = str(fields.get("title") or ""), _text(fields, "text", *at)
        corpus[_text(fields, "_id", *at)] = f"{title}\n{text}" if title else text
    for line, fields in lines_of(folder / "queries.jsonl"):
        at = folder / "queries.jsonl", line
        identity = _text(fields, "_id", *at)
        queries[identity] = _text(fields, "text", *at)
        languages[identity] = str(fields.get("lang") or "")
    judgements = folder / "qrels.tsv"
    if not judgements.is_file():
        judgements = folder / "qrels" / f"{split}.tsv"
    relevant: dict[str, dict[str, int]] = {}
    for line, row in enumerate(_open(judgements), start=1):
        parts = row.rstrip("\n").split("\t")
        if line == 1 or not row.strip():
            continue  # the header
        if len(parts) != 3 or not parts[2].lstrip("-").isdigit():
            raise BadData(f"{judgements}:{line}: expected query id, document id and a whole number, by tabs")
        query, document, grade = parts
        if query not in queries or document not in corpus:
            unknown = query if query not in queries else document
            raise BadData(f"{judgements}:{line}: {unknown!r} is in neither queries.jsonl nor corpus.jsonl")
        if int(grade) > 0:
            relevant.setdefault(query, {})[document] = int(grade)
    return Beir(folder.name, corpus, queries, relevant, languages)


def read_texts(path: Path) -> Iterator[str]:
    """The passages of a file or folder: lines with "text" and perhaps "title". Raises BadData."""
    for file in files(path):
        for line, fields in lines_of(file):
            title = str(fields.get("title") or "")
            text = _text(fields, "text", file, line)
            yield f"{title}\n{text}" if title else text


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write KaLM's JSONL (gzipped if the name says so); returns how many."""
    count = 0
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_fields(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def _fields(row: Row) -> dict[str, Any]:
    fields: dict[str, Any] = {"query": row.query}
    if row.kind == "scored":
        fields = {"a": row.query, "b": row.positives[0], "score": row.score}
    elif row.kind == "labels":
        fields["label"] = row.label
    else:
        fields |= {"pos": row.positives, "neg": row.negatives}
    if row.positive_scores:
        fields |= {"pos_scores": row.positive_scores, "neg_scores": row.negative_scores}
    fields["task"] = row.task
    if row.instruction:
        fields["instruction"] = row.instruction
    return fields


def _row(fields: dict[str, Any], task_fields: Sequence[str], file: Path, line: int) -> Row:
    named = [str(fields[name]) for name in task_fields if fields.get(name)]
    if not named and fields.get("task_name"):
        named = [str(fields["task_name"])]
    task = "/".join(named) or file.name.partition(".")[0]
    if ALONE in str(file):
        task = f"{task}/{ALONE}"
    instruction = str(fields.get("instruction") or fields.get("prompt") or "")
    label = fields.get("label")
    if isinstance(label, str) and label:
        text = _text(fields, "query" if "query" in fields else "text", file, line)
        return Row(text, label=label, task=task, instruction=instruction)
    for first, second in (("a", "b"), ("sentence1", "sentence2")):
        if first in fields and second in fields:
            score = fields.get("score", label)
            if not isinstance(score, int | float):
                raise BadData(f"{file}:{line}: a pair of texts needs a number as its score, not {score!r}")
            texts = _text(fields, first, file, line), _text(fields, second, file, line)
            return Row(texts[0], (texts[1],), score=float(score), task=task, instruction=instruction)
    return _retrieval(fields, task, instruction, file, line)


def _retrieval(fields: dict[str, Any], task: str, instruction: str, file: Path, line: int) -> Row:
    query = next((name for name in ("query", "anchor", "question") if name in fields), None)
    if query is None:
        raise BadData(
            f"{file}:{line}: no query; the row has {', '.join(fields) or 'nothing'}. "
            "Known: query and pos; anchor and positive; sentence1, sentence2 and score; text and label"
        )
    if "positive" in fields:
        columns = sorted(name for name in fields if name == "negative" or name.startswith("negative_"))
        positives: tuple[str, ...] = (_text(fields, "positive", file, line),)
        negatives = tuple(_text(fields, name, file, line) for name in columns)
    else:
        positives, negatives = _texts(fields, "pos", file, line), _texts(fields, "neg", file, line)
    if not positives:
        raise BadData(f"{file}:{line}: a query without a positive")
    both = set(positives) & set(negatives)
    if both:
        raise BadData(f"{file}:{line}: both positive and negative: {min(both)[:80]!r}")
    good, bad = _scores(fields, "pos_scores", file, line), _scores(fields, "neg_scores", file, line)
    if fields.get("scores"):
        together = _scores(fields, "scores", file, line)
        good, bad = together[: len(positives)], together[len(positives) :]
    if (good or bad) and (len(good), len(bad)) != (len(positives), len(negatives)):
        raise BadData(
            f"{file}:{line}: {len(good)} and {len(bad)} scores "
            f"for {len(positives)} positives and {len(negatives)} negatives"
        )
    return Row(
        _text(fields, query, file, line), positives, negatives, good, bad, task=task, instruction=instruction
    )


def _beir_rows(beir: Beir) -> Iterator[Row]:
    for query, documents in beir.relevant.items():
        yield Row(beir.queries[query], tuple(beir.corpus[d] for d in documents), task=beir.name)


def _text(fields: Mapping[str, Any], name: str, file: Path, line: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadData(f"{file}:{line}: {name!r} must be a text, not {_short(value)}")
    return value


def _texts(fields: Mapping[str, Any], name: str, file: Path, line: int) -> tuple[str, ...]:
    """A list of texts; a bare text is refused, or each of its characters would become one."""
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise BadData(f"{file}:{line}: {name!r} must be a list of texts, not {_short(value)}")
    return tuple(value)


def _scores(fields: Mapping[str, Any], name: str, file: Path, line: int) -> tuple[float, ...]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(score, int | float) for score in value):
        raise BadData(f"{file}:{line}: {name!r} must be a list of numbers, not {_short(value)}")
    return tuple(map(float, value))


def _short(value: object) -> str:
    return "missing" if value is None else repr(value)[:80]


def lines_of(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, fields) of every line that is not empty."""
    if file.suffix == ".parquet":
        import pyarrow.parquet

        rows = 0
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches():
            for fields in batch.to_pylist():
                rows += 1
                yield rows, fields
        return
    for line, text in enumerate(_open(file), start=1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise BadData(f"{file}:{line}: not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise BadData(f"{file}:{line}: a row is an object, {{...}}, not {_short(fields)}")
        yield line, fields


def _open(file: Path) -> Iterator[str]:
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8") as opened
        ):
            yield from opened
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadData(f"{file} can't be read: {error}") from error
