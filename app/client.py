"""The service over HTTP, typed: what the page and the command line talk through."""

from collections.abc import Generator, Sequence
from typing import Any, BinaryIO, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from app.adaptation.schemas import NewTraining, Training, TrainingAction, TrainingDetail
from app.evaluation.schemas import (
    Comparison,
    Feedback,
    Measure,
    NewQuerySet,
    NewRuns,
    QuerySet,
    Run,
    RunDetail,
)
from app.schemas import (
    AnswerEvent,
    AnswerRequest,
    Check,
    ChunkingChoice,
    Collection,
    Deleted,
    DocumentFilter,
    DocumentIds,
    Documents,
    DocumentSort,
    DocumentText,
    ErrorResponse,
    Funnel,
    Health,
    Job,
    JobAction,
    JobDetail,
    Labelled,
    NamedSource,
    NewCollection,
    NewJob,
    NewLabels,
    NewSource,
    Outcome,
    Plan,
    Preflight,
    Preview,
    Relabelled,
    SearchRequest,
    SearchResponse,
    SimilarRequest,
    Tuning,
)

M = TypeVar("M", bound=BaseModel)

TIMEOUT_S = 30.0
LOOK_TIMEOUT_S = 120.0
MEASURE_TIMEOUT_S = 900.0
"""Reading a large file, or comparing a large collection."""
SWITCH_TIMEOUT_S = 600.0
"""Encoding what came since an index was built."""
ANSWER_TIMEOUT_S = 180.0
"""Between two pieces of an answer: a language model may think for long."""


class ServiceError(Exception):
    """The service refused or did not answer; the message is its own and fit to be shown."""

    def __init__(self, message: str, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Client:
    """One connection pool to one service."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # no proxy settings from the environment: the service is where its URL says
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def status(self) -> Health:
        return self._get("/v1/status", Health)

    def formats(self) -> list[str]:
        return TypeAdapter(list[str]).validate_json(self._send("GET", "/v1/formats").content)

    def collections(self) -> list[Collection]:
        return TypeAdapter(list[Collection]).validate_json(self._send("GET", "/v1/collections").content)

    def create_collection(
        self, name: str, chunking: ChunkingChoice | None = None, dims: list[int] | None = None
    ) -> Collection:
        """A collection that is there already is returned as it is."""
        body = NewCollection(name=name, chunking=chunking or ChunkingChoice(), dims=dims)
        return Collection.model_validate_json(
            self._send("POST", "/v1/collections", json=body.model_dump()).content
        )

    def labels(self, name: str) -> dict[str, dict[str, int]]:
        """Of the documents in a collection: each label with its values and how many have them."""
        response = self._send("GET", f"/v1/collections/{name}/labels")
        return TypeAdapter(dict[str, dict[str, int]]).validate_json(response.content)

    def set_dims(self, name: str, dims: list[int]) -> Collection:
        response = self._send("PUT", f"/v1/collections/{name}/dims", json={"dims": dims})
        return Collection.model_validate_json(response.content)

    def tuning(self, name: str) -> Tuning | None:
        """The last measured dial; None if it never was."""
        response = self._send("GET", f"/v1/collections/{name}/tuning")
        return TypeAdapter(Tuning | None).validate_json(response.content)

    def tune(self, name: str) -> Tuning:
        response = self._send("POST", f"/v1/collections/{name}/tuning", timeout=MEASURE_TIMEOUT_S)
        return Tuning.model_validate_json(response.content)

    def apply_funnel(self, name: str, funnel: Funnel) -> Tuning:
        """Search through a measured funnel, once its codes are made."""
        response = self._send("PUT", f"/v1/collections/{name}/funnel", json=funnel.model_dump())
        return Tuning.model_validate_json(response.content)

    def undo_funnel(self, name: str) -> Tuning:
        """Search as before the last change."""
        response = self._send("POST", f"/v1/collections/{name}/funnel/undo")
        return Tuning.model_validate_json(response.content)

    def delete_collection(self, name: str) -> None:
        self._send("DELETE", f"/v1/collections/{name}")

    def check_collection(self, name: str, *, repair: bool = False) -> Check:
        """Compare ledger and index; with `repair`, what was wrong before it."""
        response = self._send(
            "POST", f"/v1/collections/{name}/check", params={"repair": repair}, timeout=LOOK_TIMEOUT_S
        )
        return Check.model_validate_json(response.content)

    def documents(
        self,
        collection: str,
        *,
        text: str = "",
        state: DocumentFilter | None = None,
        language: str | None = None,
        sort: DocumentSort = "name",
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> Documents:
        return self._get(
            "/v1/documents",
            Documents,
            collection=collection,
            text=text,
            sort=sort,
            descending=descending,
            limit=limit,
            offset=offset,
            **_given(state=state, language=language),
        )

    def document(self, document: str) -> DocumentText:
        return self._get(f"/v1/documents/{document}", DocumentText)

    def original(self, document: str) -> bytes:
        return self._send("GET", f"/v1/documents/{document}/original").content

    def picture(self, document: str, page: int, passage: int | None = None) -> tuple[bytes, int]:
        """A page of a pdf as PNG, a passage (by position) highlighted; and how many pages it has."""
        response = self._send(
            "GET",
            f"/v1/documents/{document}/pages/{page}",
            params=_given(passage=passage),
            timeout=LOOK_TIMEOUT_S,
        )
        return response.content, int(response.headers["x-pages"])

    def preflight(self, collection: str, files: Sequence[tuple[str, BinaryIO]]) -> list[Preflight]:
        """What ingesting each of the files (name, content) would do."""
        response = self._send(
            "POST",
            "/v1/documents/preflight",
            params={"collection": collection},
            files=[("files", file) for file in files],
            timeout=LOOK_TIMEOUT_S,
        )
        return TypeAdapter(list[Preflight]).validate_json(response.content)

    def preview(self, collection: str, name: str, content: BinaryIO) -> Preview:
        """What would become of a file."""
        response = self._send(
            "POST",
            "/v1/documents/preview",
            params={"collection": collection},
            files=[("file", (name, content))],
            timeout=LOOK_TIMEOUT_S,
        )
        return Preview.model_validate_json(response.content)

    def rerun(self, collection: str, documents: Sequence[str]) -> Job:
        """Ingest documents (ids) once more."""
        body = DocumentIds(collection=collection, documents=list(documents))
        return Job.model_validate_json(
            self._send("POST", "/v1/documents/rerun", json=body.model_dump()).content
        )

    def delete_documents(self, collection: str, documents: Sequence[str]) -> int:
        """Delete documents (ids); how many there were."""
        body = DocumentIds(collection=collection, documents=list(documents))
        response = self._send("POST", "/v1/documents/delete", json=body.model_dump())
        return Deleted.model_validate_json(response.content).deleted

    def delete_document(self, document: str) -> None:
        self._send("DELETE", f"/v1/documents/{document}")

    def label_documents(self, new: NewLabels) -> int:
        """Change labels, access or date of documents (ids); how many there were."""
        response = self._send("POST", "/v1/documents/labels", json=new.model_dump(mode="json"))
        return Relabelled.model_validate_json(response.content).documents

    def upload(
        self, collection: str, files: Sequence[tuple[str, BinaryIO]], said: Labelled | None = None
    ) -> Job:
        """Send files (name, content); they are stored when this returns, and ingested after."""
        parts = [("files", file) for file in files]
        query = {"collection": collection, **_query(said or Labelled())}
        response = self._send("POST", "/v1/documents", params=query, files=parts)
        return Job.model_validate_json(response.content)

    def ingest(self, job: NewJob) -> Job:
        return Job.model_validate_json(
            self._send("POST", "/v1/jobs", json=job.model_dump(mode="json")).content
        )

    def plan(self, job: NewJob) -> Plan:
        """What the job would do; nothing is written."""
        response = self._send(
            "POST", "/v1/jobs/plan", json=job.model_dump(mode="json"), timeout=LOOK_TIMEOUT_S
        )
        return Plan.model_validate_json(response.content)

    def jobs(self, limit: int = 20, *, offset: int = 0, collection: str | None = None) -> list[Job]:
        """Newest first."""
        query = {"limit": limit, "offset": offset, **_given(collection=collection)}
        response = self._send("GET", "/v1/jobs", params=query)
        return TypeAdapter(list[Job]).validate_json(response.content)

    def job(self, job: str, *, outcome: Outcome | None = None, limit: int | None = None) -> JobDetail:
        return self._get(f"/v1/jobs/{job}", JobDetail, **_given(outcome=outcome, limit=limit))

    def act(self, job: str, action: JobAction) -> Job:
        return Job.model_validate_json(self._send("POST", f"/v1/jobs/{job}/{action}").content)

    def sources(self) -> list[NamedSource]:
        return TypeAdapter(list[NamedSource]).validate_json(self._send("GET", "/v1/sources").content)

    def put_source(self, name: str, source: NewSource) -> NamedSource:
        """Make a named source, or replace the one of that name."""
        response = self._send("PUT", f"/v1/sources/{name}", json=source.model_dump(mode="json"))
        return NamedSource.model_validate_json(response.content)

    def delete_source(self, name: str) -> None:
        """Forget it; its documents stay."""
        self._send("DELETE", f"/v1/sources/{name}")

    def run_source(self, name: str, *, force: bool = False) -> Job:
        """Sync it now."""
        response = self._send("POST", f"/v1/sources/{name}/run", params={"force": force})
        return Job.model_validate_json(response.content)

    def search(self, request: SearchRequest) -> SearchResponse:
        response = self._send("POST", "/v1/search", json=request.model_dump(mode="json"))
        return SearchResponse.model_validate_json(response.content)

    def similar(self, request: SimilarRequest) -> SearchResponse:
        """More like a passage."""
        response = self._send("POST", "/v1/similar", json=request.model_dump(mode="json"))
        return SearchResponse.model_validate_json(response.content)

    def answer(self, request: AnswerRequest) -> Generator[AnswerEvent, None, None]:
        """Events as they come; closing it ends the request.

        Raises ServiceError, also for an `error` event amid the stream.
        """
        try:
            with self._http.stream(
                "POST", "/v1/answer", json=request.model_dump(mode="json"), timeout=ANSWER_TIMEOUT_S
            ) as response:
                if response.is_error:
                    response.read()
                    raise _refused(response)
                for line in response.iter_lines():
                    if not line.startswith("data: "):
                        continue
                    event = AnswerEvent.model_validate_json(line.removeprefix("data: "))
                    if event.error is not None:
                        raise ServiceError(event.error.message, event.error.code)
                    yield event
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def query_sets(self) -> list[QuerySet]:
        return TypeAdapter(list[QuerySet]).validate_json(self._send("GET", "/v1/evaluations/sets").content)

    def import_set(
        self, name: str, files: Sequence[tuple[str, BinaryIO]], *, corpus_into: str | None = None
    ) -> QuerySet:
        """A query set from one `.csv` or `.jsonl`, or from the files of a BEIR folder (name, content).

        corpus_into: a collection that each row of corpus.jsonl is queued for, as a document.
        """
        response = self._send(
            "POST",
            "/v1/evaluations/sets",
            params={"name": name, **_given(corpus_into=corpus_into)},
            files=[("files", file) for file in files],
            timeout=LOOK_TIMEOUT_S,
        )
        return QuerySet.model_validate_json(response.content)

    def make_set(self, new: NewQuerySet) -> QuerySet:
        """A query set from thumbs, or from a collection's own words."""
        response = self._send(
            "POST", "/v1/evaluations/sets/make", json=new.model_dump(), timeout=LOOK_TIMEOUT_S
        )
        return QuerySet.model_validate_json(response.content)

    def delete_set(self, name: str) -> None:
        self._send("DELETE", f"/v1/evaluations/sets/{name}")

    def evaluate(self, new: NewRuns) -> list[Run]:
        """Queue a run per ranking and width."""
        response = self._send("POST", "/v1/evaluations/runs", json=new.model_dump())
        return TypeAdapter(list[Run]).validate_json(response.content)

    def runs(self, *, query_set: str | None = None, collection: str | None = None) -> list[Run]:
        """Newest first."""
        query = _given(query_set=query_set, collection=collection)
        response = self._send("GET", "/v1/evaluations/runs", params=query)
        return TypeAdapter(list[Run]).validate_json(response.content)

    def run(self, run: str) -> RunDetail:
        return self._get(f"/v1/evaluations/runs/{run}", RunDetail)

    def delete_run(self, run: str) -> None:
        """One at work stops."""
        self._send("DELETE", f"/v1/evaluations/runs/{run}")

    def compare(self, before: str, after: str, measure: Measure = "ndcg_at_10") -> Comparison:
        return self._get("/v1/evaluations/compare", Comparison, before=before, after=after, measure=measure)

    def give_feedback(self, feedback: Feedback) -> None:
        self._send("POST", "/v1/feedback", json=feedback.model_dump())

    def trainings(self, collection: str | None = None) -> list[Training]:
        """Newest first."""
        response = self._send("GET", "/v1/trainings", params=_given(collection=collection))
        return TypeAdapter(list[Training]).validate_json(response.content)

    def training(self, training: str) -> TrainingDetail:
        return self._get(f"/v1/trainings/{training}", TrainingDetail)

    def bases(self) -> list[str]:
        """Models on the service's machine that can be trained."""
        return TypeAdapter(list[str]).validate_json(self._send("GET", "/v1/trainings/bases").content)

    def train(
        self,
        new: NewTraining,
        pairs: Sequence[tuple[str, BinaryIO]] = (),
        personas: BinaryIO | None = None,
    ) -> Training:
        """Queue a training; `pairs` (name, content) are training data to learn from as well."""
        files = [("pairs", file) for file in pairs]
        files += [("personas", ("personas.txt", personas))] if personas is not None else []
        response = self._send(
            "POST",
            "/v1/trainings",
            data={"settings": new.model_dump_json()},
            files=files or None,
            timeout=LOOK_TIMEOUT_S,
        )
        return Training.model_validate_json(response.content)

    def act_on_training(self, training: str, action: TrainingAction) -> Training:
        """Cancel, resume, index, or promote; the last brings its index up to date first."""
        response = self._send("POST", f"/v1/trainings/{training}/{action}", timeout=SWITCH_TIMEOUT_S)
        return Training.model_validate_json(response.content)

    def roll_back(self, collection: str) -> Collection:
        """Serve a collection from what was served before."""
        response = self._send("POST", f"/v1/collections/{collection}/rollback", timeout=SWITCH_TIMEOUT_S)
        return Collection.model_validate_json(response.content)

    def delete_training(self, training: str) -> None:
        """With its model and index."""
        self._send("DELETE", f"/v1/trainings/{training}")

    def _get(self, path: str, model: type[M], **query: Any) -> M:
        return model.model_validate_json(self._send("GET", path, params=query).content)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refused(response)
        return response

    def _unreachable(self, error: httpx.HTTPError) -> ServiceError:
        if isinstance(error, httpx.ConnectError):
            return ServiceError(f"no service at {self.url}: start it with `kalm up`", "unreachable")
        return ServiceError(f"the service at {self.url} did not answer ({error})", "unreachable")


def _given(**query: Any) -> dict[str, Any]:
    """The parameters that say something."""
    return {name: value for name, value in query.items() if value is not None}


def _query(said: Labelled) -> dict[str, Any]:
    """As a query string says it."""
    pairs = [f"{key}={value}" for key, values in (said.labels or {}).items() for value in values]
    return _given(
        label=pairs or None,
        access=said.access or None,
        modified=said.modified and said.modified.isoformat(),
    )


def _refused(response: httpx.Response) -> ServiceError:
    try:
        body = ErrorResponse.model_validate_json(response.content).error
    except ValueError:
        return ServiceError(f"the service answered {response.status_code}", None, response.status_code)
    return ServiceError(body.message, body.code, response.status_code)
