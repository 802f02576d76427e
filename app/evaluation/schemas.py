"""What travels between the service and its clients about evaluations."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from app.schemas import CollectionName, Funnel, Model, Question, Ranking

SetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Measure = Literal["ndcg_at_10", "recall_at_1", "recall_at_5", "recall_at_10", "recall_at_100", "mrr"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
Origin = Literal["file", "feedback", "synthetic"]
"""Synthetic: made from the collection's own words, so easier than what people ask."""
RunState = Literal["queued", "running", "done", "failed"]


class QuerySet(Model):
    name: SetName
    origin: Origin
    queries: int
    languages: dict[str, int]
    """Queries per language code."""
    created: datetime


class NewQuerySet(Model):
    """A query set to be made from what the service has."""

    name: SetName
    collection: CollectionName = "library"
    origin: Literal["feedback", "synthetic"]
    limit: int = Field(default=200, ge=1, le=5000)
    """Synthetic queries, at most."""
    seed: int = 0


class Feedback(Model):
    """What a person thought of a hit."""

    query: Question
    document: str
    """Id."""
    passage: int | None = None
    """Its position; None is the whole document."""
    thumb: Literal["up", "down"] | None
    """None takes an earlier one back."""


class Estimate(Model):
    value: float
    low: float
    high: float
    """95 % of the means over queries drawn anew lie between `low` and `high`."""


class Slice(Model):
    """Means over the queries in one language, or of one language pair; None is any."""

    query_language: str | None
    document_language: str | None
    queries: int
    values: dict[Measure, Estimate]


class Bias(Model):
    """Of the queries in one language, None for all: do hits in that language push others aside?"""

    language: str | None
    queries: int
    hits: float
    """Share of the first hits (as many as are relevant, at most 10) in the query's language."""
    relevant: float
    """Share of the relevant ones in the query's language: what `hits` would be without a bias."""


class Report(Model):
    overall: Slice
    languages: list[Slice]
    pairs: list[Slice]
    bias: list[Bias]
    """The first is of all queries."""


class NewRuns(Model):
    """One run for each ranking and each width."""

    query_set: SetName
    collection: CollectionName = "library"
    rankings: list[Ranking] = Field(default=["hybrid"], min_length=1)
    dims: list[int] = Field(default=[])
    """Stored widths; none is the full one."""
    exact: bool = False


class Run(Model):
    """A query set asked of a collection, with the settings that decide its figures."""

    id: str
    query_set: str
    collection: str
    ranking: Ranking
    dim: int | None
    """None for a lexical run."""
    exact: bool
    funnel: Funnel | None = None
    """The tuned one that it went through; None where none was chosen, or none is needed."""
    encoder: str
    fingerprint: str
    recipe: str
    """Parser and chunker."""
    state: RunState
    problem: str | None = None
    done: int
    total: int
    """Queries."""
    missing: int
    """Relevant documents that the collection does not have."""
    left_out: int
    """Queries of which it has none."""
    created: datetime
    seconds: float | None
    report: Report | None
    """Once it is done."""


class FoundDocument(Model):
    document: str
    """Id."""
    name: str
    passage: int
    relevant: bool


class QueryResult(Model):
    id: str
    text: str
    language: str
    values: dict[Measure, float]
    hits: list[FoundDocument]
    """The first 10: of each document its best passage, unless the set asks for passages."""


class RunDetail(Model):
    run: Run
    queries: list[QueryResult]


class Difference(Model):
    id: str
    text: str
    language: str
    before: float
    after: float


class Comparison(Model):
    """Run `after` against run `before`, over the queries that both asked."""

    before: Run
    after: Run
    measure: Measure
    queries: int
    won: int
    lost: int
    tied: int
    difference: Estimate
    """Mean of after - before."""
    p: float
    """Two-sided, by paired bootstrap: how often chance alone would make as much of a difference."""
    biggest: list[Difference]
    """Queries that changed most, the greatest loss or gain first."""
