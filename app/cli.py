"""The `kalm` command: thin, over the service's HTTP client; each command imports what it needs."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional, UseAppendAction, arg

if TYPE_CHECKING:
    from app.client import Client
    from app.schemas import Documents, Plan, Progress

COMMANDS = tyro.extras.SubcommandApp()
LIBRARY = "library"
_POLL_S = 0.5
_PAGE = 1000
"""Documents asked for at once, the most the service gives."""


@COMMANDS.command
def up(*, sample: bool = False) -> None:
    """Start the service and the page, and stop both with Ctrl-C.

    Args:
        sample: Also ingest the small multilingual library that comes with kalm-rag.
    """
    from app.settings import Settings
    from app.up import run

    run(Settings(), sample=sample)


@COMMANDS.command
def serve() -> None:
    """Run the service alone."""
    from app.api import serve as run
    from app.settings import Settings

    run(Settings())


@COMMANDS.command
def ui() -> None:
    """Run the page alone; it finds the service by KALM_URL."""
    from app.settings import Settings
    from app.ui.launch import command

    settings = Settings()
    argv = command(address=settings.host, port=settings.ui_port, max_upload_mb=settings.max_upload_mb)
    os.execv(argv[0], argv)  # noqa: S606 our own command


@COMMANDS.command
def ingest(
    places: Positional[tuple[str, ...]],
    *,
    collection: str = LIBRARY,
    include: UseAppendAction[tuple[str, ...]] = (),
    exclude: UseAppendAction[tuple[str, ...]] = (),
    sync: bool = False,
    force: bool = False,
    dry_run: bool = False,
    wait: bool = True,
    engine: Literal["service", "ray"] = "service",
) -> None:
    """Ingest files, folders, URLs or stores; what is unchanged is skipped.

    Args:
        places: Paths as the service sees them (on this machine, unless KALM_URL names another), or
            `https://…` or `s3://bucket/folder`, where the service allows them.
        collection: Made if it is not there.
        include: Globs below the folder, such as `*.pdf` or `reports/**`. May be given several times.
        exclude: Stronger than `include`.
        sync: Also remove documents that are no longer there.
        force: Let a sync remove more than a fifth of them.
        dry_run: Only say what would happen.
        wait: Show the progress until it is done; the exit status is 1 if a document failed.
        engine: ray works on a cluster instead of in the service, which must be stopped (docs/scale.md).
    """
    if engine == "ray":
        if sync or dry_run or len(places) != 1:
            raise ValueError("--engine ray takes one folder, without --sync and --dry-run")
        sys.exit(1 if _ingest_on_ray(places[0], collection, include, exclude) else 0)
    from app.client import ServiceError
    from app.schemas import NewJob

    if not places:
        raise ValueError("ingest what? Name files, folders or URLs")
    failed = 0
    queued = []
    with _client() as client:
        client.create_collection(collection)
        for place in places:
            job = NewJob(
                place=place if "://" in place else str(Path(place).absolute()),
                collection=collection,
                include=list(include),
                exclude=list(exclude),
                sync=sync,
                force=force,
            )
            try:
                if dry_run:
                    _print_plan(client.plan(job), sync=sync)
                else:
                    queued.append(client.ingest(job).id)
            except ServiceError as error:
                _note(f"kalm: {error}")
                failed += 1
        if dry_run:
            pass
        elif wait:
            failed += sum(_watch(client, job) for job in queued)
        else:
            print(f"queued: {len(queued)}; `kalm jobs` shows how far they are")
    sys.exit(1 if failed else 0)


@COMMANDS.command
def search(
    question: Positional[str],
    *,
    collection: str = LIBRARY,
    limit: int = 5,
    dim: int | None = None,
    exact: bool = False,
    ranking: Literal["hybrid", "dense", "lexical"] = "hybrid",
    language: UseAppendAction[tuple[str, ...]] = (),
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """Find the passages nearest to a question.

    Args:
        dim: Width of the vectors to search with; the full one if not given.
        exact: Compare with every full vector.
        language: Only passages in this language (en, de, zh …); may be given more than once.
        json_: Print the service's answer as it is.
    """
    from app.schemas import SearchRequest

    request = SearchRequest(
        query=question,
        collection=collection,
        ranking=ranking,
        limit=limit,
        dim=dim,
        exact=exact,
        languages=list(language),
    )
    with _client() as client:
        response = client.search(request)
        encoder = _encoder(client)
    if json_:
        print(response.model_dump_json(indent=1))
        return
    if response.warning:
        _note(response.warning)
    for number, hit in enumerate(response.hits, 1):
        page = f", page {hit.page}" if hit.page else ""
        print(f"{number:>2}. {hit.score:.2f}  {hit.title}  [{hit.language}] {hit.sources[0].name}{page}")
        print(f"    {_line(hit.text, 300)}\n")
    if not response.hits:
        print("Nothing found.")
    _note(f"{encoder}, {response.dim} dims, {response.mode}, {response.timing.total_ms:.0f} ms")


@COMMANDS.command
def ask(question: Positional[str], *, collection: str = LIBRARY) -> None:
    """Answer a question from the documents, with citations."""
    from app.schemas import AnswerRequest

    with _client() as client:
        for event in client.answer(AnswerRequest(question=question, collection=collection)):
            if event.text:
                print(event.text, end="", flush=True)
            if (answer := event.answer) is None:
                continue
            print()
            if answer.mode == "nothing_found":
                print("Nothing in this collection answers that well enough.")
            if answer.warning:
                _note(answer.warning)
            for citation in answer.citations:
                page = f", page {citation.hit.page}" if citation.hit.page else ""
                print(f"[{citation.number}] {citation.hit.title}: {citation.hit.sources[0].name}{page}")
        _note(_encoder(client))


@COMMANDS.command
def collections(
    action: Positional[Literal["list", "create", "delete"]] = "list",
    name: Positional[str] = "",
    *,
    mode: Literal["windows", "late"] | None = None,
    chunk_tokens: int | None = None,
    window_tokens: int | None = None,
    dims: list[int] | None = None,
) -> None:
    """List, create or delete collections.

    mode: encode windows by themselves, or late, pooled from the text read as a whole.
    chunk_tokens: longest passage; window_tokens: longest part of it with a vector of its own.
    dims: Matryoshka prefixes stored beside the full vector.
    """
    from app.schemas import ChunkingChoice

    with _client() as client:
        if action == "create":
            chunking = ChunkingChoice(mode=mode, chunk_tokens=chunk_tokens, window_tokens=window_tokens)
            client.create_collection(_given(name, "collection"), chunking, dims)
        elif action == "delete":
            client.delete_collection(_given(name, "collection"))
        for one in client.collections():
            print(f"{one.name:<20} {one.documents:>6} documents {one.chunks:>8} passages  {one.encoder}")
            if one.problem:
                print(f"  {one.problem}")


@COMMANDS.command
def documents(
    action: Positional[Literal["list", "show", "delete"]] = "list",
    document: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    text: str = "",
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """List the documents of a collection, or show or delete one by its id.

    Args:
        document: Id of the one to show or delete.
        text: Only those whose name or title contains it.
        json_: Print the service's answer as it is.
    """
    with _client() as client:
        if action == "delete":
            client.delete_document(_given(document, "document"))
            return
        if action == "show":
            shown = client.document(_given(document, "document"))
            print(f"{shown.document.title or ''}  {shown.document.name}\n")
            for passage in shown.passages:
                page = f" page {passage.page}" if passage.page else ""
                print(
                    " ".join([f"[{passage.language}]{page}", *passage.heading[-1:]]), passage.text, sep="\n"
                )
                print()
            return
        found = _all_documents(client, collection, text)
    if json_:
        print(found.model_dump_json(indent=1))
        return
    for one in found.documents:
        print(f"{one.id}  {one.state:<6} {one.language or '':<8} {one.chunks:>5}  {one.name}")
        if one.error:
            print(f"  {one.error}")
    print(f"{found.total} documents")


@COMMANDS.command
def jobs(
    action: Positional[Literal["list", "show", "pause", "resume", "cancel", "retry"]] = "list",
    job: Positional[str] = "",
    *,
    json_: Annotated[bool, arg(name="json")] = False,
) -> None:
    """List jobs, or show, pause, resume, cancel or retry one by its id.

    Args:
        json_: Print the service's answer as it is, one job a line.
    """
    with _client() as client:
        if action == "show":
            detail = client.job(_given(job, "job"))
            if json_:
                print(detail.model_dump_json(indent=1))
                return
            for item in detail.items:
                print(f"{item.outcome:<10} {item.chunks:>5}  {item.error or item.name}")
                if item.note:
                    print(f"  {item.note}")
            for stage, done in detail.stages.items():
                print(f"{stage:<10} {done.seconds:>8.1f} s {done.work:>12}")
            return
        if action != "list":
            client.act(_given(job, "job"), action)
        for one in client.jobs():
            if json_:
                print(one.model_dump_json())
                continue
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(one.outcomes.items()))
            print(f"{one.id}  {one.state:<9} {one.collection}  {outcomes}  {_line(one.source, 60)}")
            if one.progress:
                print(f"  {_progress(one.progress)}")
            if one.problem:
                print(f"  {one.problem}")


@COMMANDS.command
def doctor() -> None:
    """Say what is there and what is not, each with the line that mends it."""
    from app.doctor import examine
    from app.settings import Settings

    findings = examine(Settings())
    for finding in findings:
        print(f"{'ok ' if finding.ok else 'NO ' if finding.needed else '-  '} {finding.what}")
        if finding.advice:
            print(f"     {finding.advice}")
    sys.exit(0 if all(finding.ok or not finding.needed for finding in findings) else 1)


@COMMANDS.command
def key(role: Positional[Literal["reader", "editor", "admin"]]) -> None:
    """Make an API key. It is shown once; the service keeps only its hash."""
    from app.keys import hash_key, new_key

    made = new_key()
    print(f"For the client, as KALM_API_KEY or bearer token:\n  {made}")
    print(f"For the service, in KALM_API_KEYS:\n  {role}:{hash_key(made)}")


@COMMANDS.command
def embed(
    model: Positional[str],
    source: Positional[Path],
    target: Positional[Path],
    *,
    kind: Literal["query", "document"] = "document",
    dim: int | None = None,
) -> None:
    """Encode a file of texts (.jsonl, .parquet, .txt) into a file of vectors; needs no service.

    Args:
        target: .npy, .jsonl or .parquet.
        model: A name that `kalm doctor` lists, or a folder. `python -m embedder --help` has more options.
    """
    from embedder.__main__ import Command, run
    from embedder.files import Order

    sys.exit(run(Command(model, source, target, Order(kind, dim))))


def main() -> None:
    """Run a command; what a person can act on is one line on stderr, without a traceback."""
    try:
        COMMANDS.cli(prog="kalm", description="Search and question documents in any language.")
        sys.stdout.flush()  # here a closed pipe is still ours to handle
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        _note(f"kalm: {message}")
        sys.exit(1)


def _explain(error: Exception) -> str | None:
    """What a person can act on; None for what nobody expected. Imports only now: help is fast without."""
    from pydantic import ValidationError

    from app.client import ServiceError
    from embedder.errors import EncoderError
    from ingest.errors import StoreError

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        return f"{f'KALM_{name.upper()}' if error.title == 'Settings' else name}: {first['msg']}"
    return str(error) if isinstance(error, ServiceError | EncoderError | StoreError | ValueError) else None


def _client() -> "Client":
    from app.client import Client
    from app.settings import Settings, reveal

    settings = Settings()
    return Client(settings.service_url, reveal(settings.api_key))


def _encoder(client: "Client") -> str:
    """The encoder in use and what it speaks, in words."""
    encoder = client.status().encoder
    return f"{encoder.name} ({encoder.languages})"


def _given(value: str, noun: str) -> str:
    if not value:
        raise ValueError(f"which {noun}? `kalm {noun}s` lists them")
    return value


def _all_documents(client: "Client", collection: str, text: str) -> "Documents":
    found = client.documents(collection, text=text, limit=_PAGE)
    documents = list(found.documents)
    while len(documents) < found.total and (
        page := client.documents(collection, text=text, limit=_PAGE, offset=len(documents)).documents
    ):
        documents += page
    return found.model_copy(update={"documents": documents})


def _watch(client: "Client", job: str) -> int:
    """Show a job's progress until it ends; returns how many documents failed, 1 if the job itself did."""
    seen: set[str] = set()
    while True:
        detail = client.job(job)
        for item in detail.items:
            if item.outcome not in ("queued", "running") and item.uri not in seen:
                seen.add(item.uri)
                if item.outcome != "unchanged":
                    print(f"{item.outcome:<10} {item.error or item.name}")
        if detail.job.finished is not None:
            outcomes = ", ".join(f"{count} {what}" for what, count in sorted(detail.job.outcomes.items()))
            print(outcomes or "nothing to ingest")
            if detail.job.problem:
                _note(detail.job.problem)
                return 1
            return detail.job.outcomes.get("failed", 0)
        time.sleep(_POLL_S)


def _ingest_on_ray(place: str, collection: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> int:
    """Returns how many documents failed, 1 if the job itself did."""
    from app.settings import Settings
    from ingest.places import Place, Selection

    try:
        from app.bulk import ingest
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ValueError("Ray is not installed: pip install 'kalm-rag[scale]'") from error

    def done(outcome: str, what: str) -> None:
        if outcome != "unchanged":
            print(f"{outcome:<10} {what}")

    root = place if "://" in place else str(Path(place).resolve())
    job = ingest(Settings(), Place(root, Selection(include, exclude)), collection, done)
    print(", ".join(f"{count} {what}" for what, count in sorted(job.outcomes.items())) or "nothing to ingest")
    if job.problem:
        _note(job.problem)
        return 1
    return job.outcomes.get("failed", 0)


def _print_plan(plan: "Plan", *, sync: bool) -> None:
    for file in plan.files:
        if sync or file.state != "gone":
            print(f"{file.state:<10} {file.reason or file.name}")
    print(", ".join(f"{count} {state}" for state, count in sorted(plan.counts.items())) or "nothing there")
    if sync and plan.refusal:
        _note(plan.refusal)


def _progress(progress: "Progress") -> str:
    left = "" if progress.eta_s is None else f", {progress.eta_s:.0f} s left"
    return f"{progress.documents_per_h:.0f} documents/h, {progress.tokens_per_s:.0f} tokens/s{left}"


def _line(text: str, most_chars: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most_chars else text[: most_chars - 1] + "…"


def _note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
