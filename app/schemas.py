"""What travels between the service and its clients: one model per noun, shared by both sides."""

from datetime import UTC, datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

CollectionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
MOST_QUESTION_CHARS = 4000
Question = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_QUESTION_CHARS)
]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _day(begins: time) -> BeforeValidator:
    """A day alone is all of it; a time without a zone is UTC's."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and len(value) == len("2024-01-31"):
            return f"{value}T{begins.isoformat()}+00:00"
        return value

    return BeforeValidator(read)


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)


RESERVED = frozenset(
    "access document heading ingested label language modified page position source text title version".split()
)
"""Names that labels can't have: they are fields of every document or passage."""


def _free(key: str) -> str:
    if key in RESERVED:
        raise ValueError(f"{key!r} is a field of every document: choose another name for the label")
    return key


LabelKey = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$"), AfterValidator(_free)]
LabelValue = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
LabelValues = Annotated[list[LabelValue], BeforeValidator(_listed), Field(max_length=100)]
Group = Annotated[str, StringConstraints(pattern=r"^[\w.@-]{1,100}$")]


class Labelled(Model):
    """What is said of documents. What is not given stays as it is."""

    labels: Annotated[dict[LabelKey, LabelValues], Field(max_length=50)] | None = None
    """`{"department": "hr", "tag": ["a", "b"]}`; in place of all labels they had."""
    access: list[Group] | None = Field(default=None, max_length=100)
    """Groups that may see them; none is everybody."""
    modified: Annotated[datetime, _day(time.min), AfterValidator(_aware)] | None = None
    """Their own date, where it isn't their files'."""


class ErrorBody(Model):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(Model):
    """Every error of the service, in OpenAI's shape."""

    error: ErrorBody


class EncoderInfo(Model):
    name: str
    languages: str
    """In words: "English only"."""
    english_only: bool
    dims: list[int]
    max_tokens: int
    device: str
    licence: str


class Health(Model):
    """What the service runs on; the page shows it in its sidebar."""

    status: Literal["ready"]
    version: str
    encoder: EncoderInfo
    index: str
    """Engine and place, in words: "Qdrant Edge, in this process"."""
    llm: str | None
    """Name of the language model; None when answers are quotes."""


class Chunking(Model):
    """How texts become vectors."""

    mode: Literal["windows", "late"]
    """Each window encoded by itself, or pooled from its text read as a whole (late chunking)."""
    chunk_tokens: int
    """Longest passage that is found and quoted, in the encoder's own tokens."""
    window_tokens: int
    """Longest part of a passage with a vector of its own."""


class ChunkingChoice(Model):
    """What is not given is as the encoder does best."""

    mode: Literal["windows", "late"] | None = None
    chunk_tokens: int | None = None
    window_tokens: int | None = None


class NewCollection(Model):
    name: CollectionName
    chunking: ChunkingChoice = ChunkingChoice()
    """Stays for the collection's life."""
    dims: list[int] | None = None
    """Matryoshka prefixes stored beside the full vector; about a quarter of it, unless given."""


class Dims(Model):
    dims: list[int]
    """Matryoshka prefixes to store beside the full vector."""


Quantisation = Literal["none", "int8", "binary"]


class Funnel(Model):
    """How candidates for the full vector are found."""

    dim: int
    candidates: int
    """For ten results."""
    quantisation: Quantisation | None = None
    """Of the codes that find them; null: the prefix as it is stored."""


class Setting(Model):
    """One way to search, measured."""

    dim: int
    candidates: int | None
    """For ten results; null for a search at `dim` alone."""
    agreement: float
    """With the ten hits of exact search, 0 to 1."""
    p50_ms: float | None
    """Null where a server's own quantisation must be applied to be timed."""
    p95_ms: float | None
    quantisation: Quantisation | None = None
    memory_bytes: int = 0
    """Of what is looked through."""


class Tuning(Model):
    """The dial of a collection, measured on its own sentences."""

    queries: int
    chunks: int
    measured: datetime
    settings: list[Setting]
    chosen: Funnel | None
    """The fastest that keeps 99 % of the hits; null if none does and is faster than exact search."""
    applied: Funnel | None
    """What searches go through; null: nothing was applied yet."""
    applying: Funnel | None
    """What is being made in the background just now."""
    previous: list[Funnel]
    """What undoing goes back to, the last one first to come."""
    problem: str | None
    """Why the last change failed."""


class Collection(Model):
    name: str
    encoder: str
    fingerprint: str
    """Of the encoder that built it: weights, tokenizer, pooling, prompts."""
    usable: bool
    """False when another encoder built it than the one in use; `problem` says what to do."""
    problem: str | None = None
    dims: list[int]
    """Widths that can be searched, longest first."""
    chunking: Chunking
    recipe: str
    """Parser and chunker that documents are ingested with from now on."""
    documents: int
    failed: int
    stale: int
    """Documents that an older recipe made: ingest them again."""
    chunks: int
    languages: dict[str, int]
    """Chunks per language code."""
    created: datetime


class MissingPoints(Model):
    """A published version of which the index lacks points."""

    version: str
    expected: int
    found: int
    documents: list[str]
    """Ids of the documents served from it: to be ingested again."""
    names: list[str]


class UnknownPoints(Model):
    """Points of a version that the ledger does not publish."""

    version: str
    points: int


class Check(Model):
    """How a collection's ledger and index compare; after a repair, how they did before it."""

    consistent: bool
    repaired: bool
    versions: int
    expected_points: int
    points: int
    missing: list[MissingPoints]
    unknown: list[UnknownPoints]
    hidden: int
    """Versions that are whole and that searches do not find."""
    uncited: int
    """Versions that no document is served from."""


DocumentState = Literal["ready", "failed"]
DocumentFilter = Literal["ready", "failed", "stale"]
DocumentSort = Literal["name", "updated", "size", "chunks"]


class Document(Model):
    id: str
    collection: str
    name: str
    uri: str
    state: DocumentState
    title: str | None
    language: str | None
    """The language most of its chunks are in."""
    chunks: int
    size_bytes: int
    updated: datetime
    error_code: str | None = None
    error: str | None = None
    """Why the last attempt failed, and what to do. A ready document with an error serves its old version."""
    same_as: list[str] = []
    """Names of other documents with the same content; stored once."""
    version: str | None = None
    """The content it is served from; None while there is none."""
    recipe: str | None = None
    """Parser and chunker that made this version."""
    stale: bool = False
    """An older recipe made it: ingest it again."""
    modified: datetime | None = None
    """Its own date, where its place or somebody said it."""
    labels: dict[str, list[str]] = {}
    access: list[str] = []
    """Groups that may see it; none is everybody."""


class Documents(Model):
    documents: list[Document]
    total: int
    languages: dict[str, int]
    """Documents per main language, of the whole collection."""


class NewLabels(Labelled):
    collection: CollectionName = "library"
    documents: list[str] = Field(min_length=1, max_length=1000)


class Relabelled(Model):
    documents: int
    """Fewer than were named if some are gone."""


class DocumentIds(Model):
    collection: CollectionName = "library"
    documents: list[str] = Field(min_length=1, max_length=1000)


class Deleted(Model):
    deleted: int
    """Fewer than were asked for if somebody else was faster."""


class Passage(Model):
    """A chunk of a document, as the viewer shows it."""

    position: int
    text: str
    heading: list[str]
    page: int | None
    language: str
    unseen: bool = False
    """As of a hit."""


class DocumentText(Model):
    """All passages of a document, in reading order."""

    document: Document
    passages: list[Passage]
    has_pictures: bool
    """Whether its pages can be had as pictures: it is a pdf, and the file is still there."""


Ranking = Literal["hybrid", "dense", "lexical"]
"""Near in meaning and sharing words, by one score; or by one of them alone."""


Mode = Literal["funnel", "exact", "prefix"]


class Period(Model):
    """From one time to another, both included; without one of them it is open."""

    since: Annotated[datetime, _day(time.min), AfterValidator(_aware)] | None = None
    until: Annotated[datetime, _day(time.max), AfterValidator(_aware)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"{self.since:%Y-%m-%d} is after {self.until:%Y-%m-%d}")
        return self


class Filters(Model):
    """Which passages may be found: all that is given must hold, of each list one entry."""

    languages: list[str] = Field(default=[], max_length=100)
    documents: list[str] = Field(default=[], max_length=1000)
    """Ids."""
    sources: list[str] = Field(default=[], max_length=100)
    """Folders, archives, sites or files that documents come from: `/srv/papers`, `https://example.org/docs`,
    `s3://bucket/folder`, `upload:NAME`."""
    modified: Period | None = None
    """The document's own date; one without a date is not found."""
    ingested: Period | None = None
    fields: Annotated[dict[str, LabelValues], Field(max_length=20)] = {}
    """Labels by their names, and title, heading, page and position of passages."""

    def filters(self) -> dict[str, Any]:
        """Those of them that are set, for another request."""
        return {name: getattr(self, name) for name in Filters.model_fields if name in self.model_fields_set}


class Asking(Filters):
    """What every search may say."""

    limit: int = Field(default=10, ge=1, le=100)
    """Passages, or documents where they are grouped."""
    offset: int = Field(default=0, ge=0, le=1000)
    dim: int | None = None
    """A stored width; None is the full one, through the funnel."""
    exact: bool = False
    """Compare with every full vector instead of the funnel's candidates."""
    group: Literal["document"] | None = None
    """Show each document once, by its best passage."""
    passages: int = Field(default=4, ge=1, le=20)
    """Of a group, the best one included."""
    diversity: float = Field(default=0.0, ge=0.0, le=1.0)
    """Above 0, hits unlike those before them move up (MMR); at 1 nothing else counts."""
    explain: bool = False
    """Say how the hits were found."""


class SearchRequest(Asking):
    query: Question
    collection: CollectionName = "library"
    ranking: Ranking = "hybrid"
    rerank: bool = True
    """By the reranker, where one is set up."""


class SimilarRequest(Asking):
    """More like a passage, by its stored vectors."""

    document: str
    """Id."""
    passage: int = Field(ge=0)
    """Its position."""
    same_document: bool = False
    """Whether other passages of its document may be found."""


class SourceInfo(Model):
    document: str
    """Id."""
    name: str


class Leg(Model):
    """Where one of the two rankings has a hit."""

    rank: int
    """From 1."""
    score: float
    """Cosine similarity of the dense one, BM25 of the lexical one."""


class Hit(Model):
    score: float
    """What it is ranked by: cosine similarity, BM25, or of both 0 to 1."""
    dense: Leg | None = None
    lexical: Leg | None = None
    """None where it is not among that ranking's candidates."""
    rerank: Leg | None = None
    """Where the reranker has it; None where it was not asked."""
    diverse: Leg | None = None
    """Where MMR has it, and by which value."""
    text: str
    marks: list[tuple[int, int]]
    """Spans of `text`, in characters, that hold words of the query."""
    title: str
    heading: list[str]
    page: int | None
    position: int
    language: str
    unseen: bool = False
    """Nobody who looks at the document sees this text: white on white, without size, off the page."""
    sources: list[SourceInfo]
    """Every document with this text; the first is the one to cite."""
    more: list["Hit"] = []
    """Further passages of the document, where hits are grouped."""
    others: int = 0
    """How many there are among the candidates."""


class Timing(Model):
    encode_ms: float
    search_ms: float
    total_ms: float


class Explanation(Model):
    """How hits were found, beside what each of them says of itself."""

    dims: list[int]
    """Widths that were compared: those that found candidates, then those that ordered them."""
    candidates: dict[str, int]
    """Of each ranking, over all levels."""
    levels: int
    """How often the next candidates were asked for."""
    finder: str | None
    """What found candidates for the full vectors: a stored prefix, or codes in memory and what a number is
    kept as in them. Where filters leave too little for codes, a prefix does. None for other modes."""
    filters: dict[str, list[str]]
    """As they were applied."""
    join: dict[str, float]
    """What the rankings were joined by: worth of words, the most they could score, their best as a share."""
    reranked: int
    """Candidates that the reranker read."""
    diversity: float
    steps_ms: dict[str, float]


class SearchResponse(Model):
    ranking: Ranking
    sureness: float | None
    """Of the lexical ranking: its best score as a share of what the query could reach."""
    hits: list[Hit]
    dim: int
    mode: Mode
    encoder: str
    warning: str | None = None
    """Something the person should know, e.g. a query in a language the encoder does not speak."""
    reranker: str | None = None
    """By whose scores the first hits are ordered."""
    reranker_problem: str | None = None
    """Why they are not, although a reranker is set up: the order is the one before it."""
    timing: Timing
    explain: Explanation | None = None


class AnswerRequest(Filters):
    question: Question
    previous: list[Question] = Field(default=[], max_length=30)
    """Questions before it in the same conversation, oldest first: what it refers to is looked for there."""
    collection: CollectionName = "library"
    dim: int | None = None
    vary: bool = False
    """Not the likeliest answer again: the language model, where there is one, writes more freely."""


class Citation(Model):
    number: int
    """1-based, as it stands in the answer: [1]."""
    hit: Hit
    quotes: list[tuple[int, int]]
    """Spans of the hit's text that the answer rests on."""


Support = Literal["supported", "weak", "unsupported", "unchecked"]
"""Of a sentence by the passages it cites; unchecked where the encoder does not know the language or nobody
measured what its cosines mean."""


class Sentence(Model):
    text: str
    citations: list[int]
    support: Support = "unchecked"
    missing: list[str] = []
    """Numbers, and months beside numbers, that no cited passage holds."""


class Answer(Model):
    """The checked end of an answer."""

    mode: Literal["extractive", "llm", "nothing_found"]
    sentences: list[Sentence]
    citations: list[Citation]
    """Only those that the sentences cite."""
    searched_for: str | None = None
    """What a follow-up was understood as; None where that is the question itself."""
    removed_citations: int = 0
    """Numbers the language model made up; they never reached the person."""
    warning: str | None = None
    took_ms: float


class AnswerEvent(Model):
    """One server-sent event of `/v1/answer`: `sources` first, then `text` pieces, then `answer`.

    `text` pieces are for showing while it streams; `answer` replaces them.
    """

    kind: Literal["sources", "text", "answer", "error"]
    sources: list[Citation] | None = None
    text: str | None = None
    answer: Answer | None = None
    error: ErrorBody | None = None


class NewJob(Labelled):
    """Ingest what is at a place."""

    place: str
    """A file or folder the service can see, `https://…` or `s3://bucket/folder`."""
    collection: CollectionName = "library"
    include: list[str] = []
    """Globs below the place, such as `*.pdf` or `reports/**`; none means everything."""
    exclude: list[str] = []
    """Stronger than `include`."""
    sync: bool = False
    """Also remove documents that came from this place and are no longer there."""
    force: bool = False
    """Let a sync remove more than a fifth of them."""


class PlannedFile(Model):
    name: str
    uri: str
    state: Literal["new", "changed", "unchanged", "alias", "gone", "skipped", "failed"]
    reason: str | None
    """Why it is skipped, or would fail."""


class Plan(Model):
    """What a job would do. Nothing was written."""

    counts: dict[str, int]
    """Files by state."""
    files: list[PlannedFile]
    """The first thousand that are not unchanged."""
    refusal: str | None
    """Why a sync would stop before it removes what is gone; None if it would not."""


class Preflight(Model):
    """What ingesting a file would do."""

    name: str
    size_bytes: int
    format: str | None
    """Told by its bytes; None for one that is refused."""
    outcome: Literal["added", "changed", "unchanged", "alias", "failed"]
    same_as: list[str] = []
    """Names of documents with the same content."""
    error_code: str | None = None
    error: str | None = None
    """Why it would be refused, and what to do."""


class PreviewElement(Model):
    kind: str
    depth: int
    page: int | None
    text: str
    capped: bool
    """The text goes on."""
    unseen: bool = False


class PreviewChunk(Passage):
    tokens: int
    """In the encoder's own, without its headings."""


class Preview(Model):
    """What would become of a file; the first elements and chunks, and how many there are."""

    file: Preflight
    title: str
    language: str
    element_count: int
    elements: list[PreviewElement]
    chunk_count: int
    chunks: list[PreviewChunk]
    token_count: int
    chunk_tokens: int
    """The longest that a chunk may be, in tokens."""
    seconds: float
    """That reading and chunking took."""


JobState = Literal["queued", "running", "waiting", "paused", "done", "cancelled", "stopped"]
Stage = Literal["read", "parse", "chunk", "encode", "write", "verify"]
Outcome = Literal[
    "queued", "running", "added", "changed", "unchanged", "alias", "removed", "skipped", "failed", "cancelled"
]


class Progress(Model):
    """Of a running job, since it last began."""

    documents_per_h: float
    tokens_per_s: float
    eta_s: float | None
    """Seconds left, going by bytes; None while nothing is finished."""


JobAction = Literal["pause", "resume", "cancel", "retry"]


class Job(Model):
    id: str
    collection: str
    source: str
    """The folder, or the names of the uploads."""
    state: JobState
    problem: str | None = None
    """Why it stopped or waits, and what to do; None while all goes well."""
    retry_at: datetime | None = None
    """When a waiting job tries again."""
    progress: Progress | None = None
    total: int
    outcomes: dict[str, int]
    """Documents per outcome; `queued` and `running` are still to come."""
    created: datetime
    finished: datetime | None


SourceName = CollectionName


class NewSource(Labelled):
    """A place that a collection is kept in sync with."""

    place: str
    """As for a job."""
    collection: CollectionName = "library"
    include: list[str] = []
    exclude: list[str] = []
    every_s: int | None = Field(default=None, ge=60, le=366 * 86_400)
    """From one sync to the next; None: not by the clock."""
    watch: bool = False
    """Sync within seconds of a change; folders and files of the service's machine only."""


class NamedSource(NewSource):
    name: str
    due: datetime | None
    """When the next sync begins, if none is under way then; None: at the next change, or by hand."""
    job: Job | None
    """The last one."""
    problem: str | None
    """Why nothing was synced the last time, and what to do; nothing was removed."""


class JobItem(Model):
    name: str
    uri: str
    outcome: Outcome
    stage: Stage | None = None
    """The one it is in, or was in at its end."""
    chunks: int
    seconds: float | None
    error_code: str | None = None
    error: str | None = None
    note: str | None = None
    """What an admin should know although it went well."""


class StageWork(Model):
    """Of one stage, over all documents."""

    seconds: float
    """Of several documents at a time: they add up to more than the job took."""
    work: int
    """Bytes read, elements parsed, chunks made, tokens encoded, points written."""


class JobDetail(Model):
    job: Job
    stages: dict[Stage, StageWork]
    items: list[JobItem]


class EmbeddingsRequest(BaseModel):
    """OpenAI's contract; fields it knows and we don't need are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    input: str | list[str] | list[int] | list[list[int]]
    model: str
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None
    truncate: bool = False
    """Ours: cut texts that are too long instead of refusing them; `usage.dropped_tokens` says by how much."""
