"""What travels between the service and its clients: one model per noun, shared by both sides."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CollectionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Funnel(Model):
    """How candidates for the full vector are found."""

    dim: int
    candidates: int
    """For ten results."""


class Setting(Model):
    """One way to search, measured."""

    dim: int
    candidates: int | None
    """For ten results; null for a search at `dim` alone."""
    agreement: float
    """With the ten hits of exact search, 0 to 1."""
    p50_ms: float
    p95_ms: float


class Tuning(Model):
    """The dial of a collection, measured on its own sentences."""

    queries: int
    chunks: int
    measured: datetime
    settings: list[Setting]
    chosen: Funnel | None
    """Null if no funnel is faster and keeps 99 % of the hits: searches are exact."""


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


class Documents(Model):
    documents: list[Document]
    total: int
    languages: dict[str, int]
    """Documents per main language, of the whole collection."""


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


class DocumentText(Model):
    """All passages of a document, in reading order."""

    document: Document
    passages: list[Passage]
    has_pictures: bool
    """Whether its pages can be had as pictures: it is a pdf, and the file is still there."""


Ranking = Literal["hybrid", "dense", "lexical"]
"""Near in meaning and sharing words, by one score; or by one of them alone."""


class SearchRequest(Model):
    query: Question
    collection: CollectionName = "library"
    ranking: Ranking = "hybrid"
    limit: int = Field(default=10, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1000)
    dim: int | None = None
    """A stored width; None is the full one, through the funnel."""
    exact: bool = False
    """Compare with every full vector instead of the funnel's candidates."""
    languages: list[str] = Field(default=[], max_length=100)
    documents: list[str] = Field(default=[], max_length=1000)
    """Document ids."""


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
    text: str
    marks: list[tuple[int, int]]
    """Spans of `text`, in characters, that hold words of the query."""
    title: str
    heading: list[str]
    page: int | None
    position: int
    language: str
    sources: list[SourceInfo]
    """Every document with this text; the first is the one to cite."""


class Timing(Model):
    encode_ms: float
    search_ms: float
    total_ms: float


class SearchResponse(Model):
    ranking: Ranking
    sureness: float | None
    """Of the lexical ranking: its best score as a share of what the query could reach."""
    hits: list[Hit]
    dim: int
    mode: Literal["funnel", "exact", "prefix"]
    encoder: str
    warning: str | None = None
    """Something the person should know, e.g. a query in a language the encoder does not speak."""
    timing: Timing


class AnswerRequest(Model):
    question: Question
    collection: CollectionName = "library"
    languages: list[str] = Field(default=[], max_length=100)
    documents: list[str] = Field(default=[], max_length=1000)
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


class NewJob(Model):
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


class NewSource(Model):
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
