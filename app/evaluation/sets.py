"""Files -> queries with what is relevant to them: a BEIR folder, CSV, JSON lines; and BEIR's corpus."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ingest import language

MOST_CHARS = 4000
"""Of a query, as a search takes it."""
_BEIR = frozenset({"queries.jsonl", "qrels.tsv"})
_CORPUS = "corpus.jsonl"
_QRELS = ("query-id", "corpus-id", "score")


class InvalidSet(ValueError):
    """A file of queries that can't be read as one; the message has file and line."""


@dataclass(frozen=True, slots=True)
class Relevant:
    document: str
    """File name with or without suffix, title, URI or id."""
    quote: str = ""
    """Words that the passage must hold; empty where any passage of the document will do."""
    grade: float = 1.0
    """Above 0; the gain in nDCG."""


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
    language: str
    """ISO 639-1, or "unknown"."""
    relevant: tuple[Relevant, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A document of a BEIR corpus."""

    id: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """File name that leads back to the id, whatever that holds."""
        return f"{quote(self.id, safe=' ')}.html"

    @property
    def content(self) -> bytes:
        """html, where no character of a text means anything else."""
        heading = f"<h1>{escape(self.title)}</h1>" if self.title.strip() else ""
        body = "".join(f"<p>{escape(part)}</p>" for part in self.text.split("\n\n") if part.strip())
        return f'<html><head><meta charset="utf-8"></head><body>{heading}{body}</body></html>'.encode()


@dataclass(slots=True)
class _Draft:
    """A query while its lines are read."""

    text: str
    language: str
    relevant: dict[tuple[str, str], Relevant] = field(default_factory=dict)

    def add(self, one: Relevant) -> None:
        """The last line on a document counts."""
        self.relevant[one.document, one.quote] = one


def read_set(files: Mapping[str, bytes]) -> list[Query]:
    """Queries that something is relevant to, from BEIR's files or from one `.csv` or `.jsonl`, by name.

    Raises InvalidSet, with file and line.
    """
    names = {PurePosixPath(name).name: name for name in files}
    if set(names) >= _BEIR:
        drafts = _beir({short: files[name] for short, name in names.items()})
    elif len(files) == 1:
        (name, content), *_ = files.items()
        readers = {".csv": _csv, ".jsonl": _jsonl}
        reader = readers.get(PurePosixPath(name).suffix.lower())
        if reader is None:
            raise InvalidSet(f"{name}: queries come as .csv or .jsonl, or as a BEIR folder")
        drafts = reader(name, content)
    else:
        raise InvalidSet(
            f"{', '.join(files) or 'no file'}: give one .csv or .jsonl, or queries.jsonl and qrels.tsv"
        )
    queries = [
        Query(id_, draft.text, draft.language or language.detect(draft.text), tuple(relevant))
        for id_, draft in drafts.items()
        if (relevant := [one for one in draft.relevant.values() if one.grade > 0])
    ]
    if not queries:
        raise InvalidSet(f"{', '.join(files)}: no query with a relevant document")
    return queries


def corpus_of(files: Mapping[str, bytes]) -> list[Row]:
    """The documents of corpus.jsonl: {_id, title, text}. Raises InvalidSet, with file and line."""
    content = next((files[name] for name in files if PurePosixPath(name).name == _CORPUS), None)
    if content is None:
        raise InvalidSet(f"{', '.join(files) or 'no file'}: documents come from a {_CORPUS}; there is none")
    return [
        Row(_text(fields, "_id", where), str(fields.get("title") or ""), _text(fields, "text", where))
        for where, fields in _json_lines(_CORPUS, content)
    ]


def _beir(files: Mapping[str, bytes]) -> dict[str, _Draft]:
    drafts: dict[str, _Draft] = {}
    for where, fields in _json_lines("queries.jsonl", files["queries.jsonl"]):
        id_ = _text(fields, "_id", where)
        if id_ in drafts:
            raise InvalidSet(f"{where}: query {id_!r} is there twice")
        drafts[id_] = _Draft(
            _query(_text(fields, "text", where), where),
            str(fields.get("lang") or fields.get("language") or ""),
        )
    known = {row.id for row in corpus_of(files)} if _CORPUS in files else None
    for where, fields in _table("qrels.tsv", files["qrels.tsv"], _QRELS, tabs=True):
        query, document = fields["query-id"], fields["corpus-id"]
        if query not in drafts:
            raise InvalidSet(f"{where}: no query {query!r} in queries.jsonl")
        if known is not None and document not in known:
            raise InvalidSet(f"{where}: no document {document!r} in {_CORPUS}")
        drafts[query].add(Relevant(document, grade=_grade(fields["score"], where)))
    return drafts


def _csv(name: str, content: bytes) -> dict[str, _Draft]:
    drafts: dict[str, _Draft] = {}
    for where, fields in _table(name, content, ("query", "document")):
        _add(drafts, fields, [fields["document"]], where)
    return drafts


def _jsonl(name: str, content: bytes) -> dict[str, _Draft]:
    drafts: dict[str, _Draft] = {}
    for where, fields in _json_lines(name, content):
        named = fields.get("document")
        listed = named if isinstance(named, list) else [named]
        documents = [one for one in listed if isinstance(one, str) and one.strip()]
        if not documents or len(documents) < len(listed):
            raise InvalidSet(f"{where}: `document` must be the name of a document, or a list of names")
        _add(drafts, fields, documents, where)
    return drafts


def _add(drafts: dict[str, _Draft], fields: Mapping[str, Any], documents: list[str], where: str) -> None:
    """A line of our own formats: query, document, and if they like grade, language, passage."""
    text = _query(_text(fields, "query", where), where)
    draft = drafts.setdefault(text, _Draft(text, ""))
    draft.language = draft.language or str(fields.get("language") or fields.get("lang") or "").strip()
    grade = fields.get("grade")
    wanted = Relevant(
        "",
        quote=str(fields.get("passage") or "").strip(),
        grade=1.0 if grade in (None, "") else _grade(grade, where),
    )
    for document in documents:
        draft.add(replace(wanted, document=document.strip()))


def _table(
    name: str, content: bytes, columns: tuple[str, ...], *, tabs: bool = False
) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row stands ("qrels.tsv:3"), and its fields; those of `columns` are not empty."""
    lines = io.StringIO(_decode(name, content), newline="")
    reader = (
        csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tabs
        else csv.DictReader(lines, strict=True)
    )
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise InvalidSet(f"{name}:1: the first line must name the columns; missing: {', '.join(missing)}")
    try:
        for row in reader:
            where = f"{name}:{reader.line_num}"
            for column in columns:
                if not (row[column] or "").strip():
                    raise InvalidSet(f"{where}: no {column}")
            yield where, {key: value or "" for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise InvalidSet(f"{name}:{reader.reader.line_num}: {error}") from error


def _json_lines(name: str, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    # not splitlines: JSON lets U+2028 and U+0085 stand in a text
    for number, line in enumerate(_decode(name, content).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise InvalidSet(f"{where}: not JSON ({error})") from error
        if not isinstance(fields, dict):
            raise InvalidSet(f"{where}: must be a JSON object")
        yield where, fields


def _decode(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSet(f"{name}:{line}: not UTF-8; save the file as UTF-8") from error


def _text(fields: Mapping[str, Any], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str | int) or not str(value).strip():
        raise InvalidSet(f"{where}: no {key}")
    return str(value)


def _query(text: str, where: str) -> str:
    text = text.strip()
    if len(text) > MOST_CHARS:
        raise InvalidSet(f"{where}: a query of {len(text)} characters; at most {MOST_CHARS} can be asked")
    return text


def _grade(value: Any, where: str) -> float:
    try:
        grade = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidSet(f"{where}: grade {value!r} is no number") from error
    if not math.isfinite(grade):
        raise InvalidSet(f"{where}: grade {value!r} is no number")
    return grade
