"""Queries -> what a collection's search finds for each, compared with what is relevant."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import unquote

from app.evaluation import metrics
from app.evaluation.schemas import FoundDocument, Measure, QueryResult, Run
from app.evaluation.sets import Query
from app.schemas import Hit, SearchRequest
from app.search import search
from embedder import fit
from ingest.ledger import DocumentRow
from ingest.pipeline import Shelf

PASSAGES = 100
"""Asked for per query, the most one search gives: documents further down count as not found."""
_PAGE = 1000


class Deleted(Exception):
    """Somebody deleted the run while it was at work."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something relevant, as the collection has it."""

    versions: frozenset[str]
    """Contents that count: more than one where several documents have the name."""
    quote: str
    """Without white space; empty where any passage will do."""
    grade: float
    language: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A query with all that the figures are made of."""

    result: QueryResult
    cells: Mapping[str, Mapping[Measure, float]]
    """Measures by language of the relevant documents, those in others left out."""
    own_hits: float
    """As in `schemas.Bias`."""
    own_relevant: float


@dataclass(frozen=True, slots=True)
class Outcome:
    judged: Sequence[Judged]
    missing: int
    """Relevant documents that the collection does not have."""
    left_out: int
    """Queries of which it has none."""


class Library:
    """The documents of a collection by everything a query set may call them."""

    def __init__(self, shelf: Shelf) -> None:
        rows = ready_documents(shelf)
        self.version_of = {row.id: row.version or "" for row in rows}
        self.language_of = {row.version or "": row.language or "unknown" for row in rows}
        self._names: dict[str, set[str]] = {}
        for names in zip(*(_names(row) for row in rows), strict=True):  # of one kind, the most exact first
            kind: dict[str, set[str]] = {}
            for row, name in zip(rows, names, strict=True):
                kind.setdefault(name, set()).add(row.version or "")
            self._names = kind | self._names

    def find(self, name: str) -> frozenset[str]:
        """Contents of the documents of that name; the most exact kind of name that is known decides."""
        return frozenset(self._names.get(name, ()))


def ask(queries: Sequence[Query], run: Run, shelf: Shelf, advance: Callable[[int], bool]) -> Outcome:
    """Every query with a relevant document in the collection, as `run` says.

    advance: told how many are done; False ends it with Deleted.
    """
    library = Library(shelf)
    judged: list[Judged] = []
    missing = left_out = 0
    for done, query in enumerate(queries):
        if not advance(done):
            raise Deleted
        wanted = _wanted(query, library)
        missing += sum(1 for one in query.relevant if not library.find(one.document))
        if not wanted:
            left_out += 1
            continue
        request = SearchRequest(
            query=fit(query.text, shelf.encoder)[0],
            collection=shelf.name,
            ranking=run.ranking,
            limit=PASSAGES,
            dim=run.dim,
            exact=run.exact,
            rerank=False,  # figures are of the encoder and the index
        )
        judged.append(judge(query, wanted, search(request, shelf).hits, library))
    return Outcome(judged, missing, left_out)


def judge(query: Query, wanted: Sequence[Wanted], hits: Iterable[Hit], library: Library) -> Judged:
    """Compare hits with what is relevant: documents by their best passage, unless passages are asked for."""
    passages = any(one.quote for one in wanted)
    found: list[FoundDocument] = []
    ranking: list[list[int]] = []
    languages: list[str] = []
    seen: set[str] = set()
    taken: set[int] = set()
    for hit in hits:
        source = hit.sources[0]
        version = library.version_of.get(source.document) or ""
        if not passages and version in seen:
            continue
        seen.add(version)
        text = _bare(hit.text) if passages else ""
        new = [
            number
            for number, one in enumerate(wanted)
            if number not in taken and version in one.versions and one.quote in text
        ]
        taken.update(new)
        ranking.append(new)
        languages.append(hit.language if passages else library.language_of.get(version, hit.language))
        found.append(
            FoundDocument(
                document=source.document, name=source.name, passage=hit.position, relevant=bool(new)
            )
        )
    grades = [one.grade for one in wanted]
    first = languages[: min(metrics.DEPTH, len(wanted))]
    by_language = {
        language: [number for number, one in enumerate(wanted) if one.language == language]
        for language in Counter(one.language for one in wanted)
    }
    return Judged(
        QueryResult(
            id=query.id,
            text=query.text,
            language=query.language,
            values=metrics.measure(ranking, grades),
            hits=found[: metrics.DEPTH],
        ),
        {
            language: metrics.measure(
                [[kept.index(number) for number in numbers] for numbers in metrics.only(ranking, kept)],
                [grades[number] for number in kept],
            )
            for language, kept in by_language.items()
        },
        first.count(query.language) / len(first) if first else 0.0,
        len(by_language.get(query.language, ())) / len(wanted),
    )


def _wanted(query: Query, library: Library) -> list[Wanted]:
    """What the collection has of it; documents of the same content are one, with the higher grade."""
    wanted: dict[tuple[frozenset[str], str], Wanted] = {}
    for one in query.relevant:
        versions = library.find(one.document)
        if versions:
            key = (versions, _bare(one.quote))
            known = wanted.get(key)
            grade = max(one.grade, known.grade if known else 0.0)
            languages = Counter(library.language_of[version] for version in versions)
            wanted[key] = Wanted(*key, grade, languages.most_common(1)[0][0])
    return list(wanted.values())


def ready_documents(shelf: Shelf) -> list[DocumentRow]:
    """All that can be found."""
    rows: list[DocumentRow] = []
    while page := shelf.ledger.documents(shelf.name, state="ready", limit=_PAGE, offset=len(rows))[0]:
        rows += page
    return rows


def _names(row: DocumentRow) -> tuple[str, ...]:
    """The most exact one first."""
    stem = PurePath(row.name).stem
    return row.id, row.uri, row.name, stem, unquote(stem), row.title or row.name


def _bare(text: str) -> str:
    return "".join(text.split())
