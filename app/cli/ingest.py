"""`kalm ingest`: queue places and follow their jobs, or only say what would happen."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from app.cli.filters import Say
from app.cli.terminal import LIBRARY, connect, note

if TYPE_CHECKING:
    from app.client import Client
    from app.schemas import Plan

_POLL_S = 0.5


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
    say: OmitArgPrefixes[Say] = Say(),  # noqa: B008 frozen
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
        sys.exit(1 if _ingest_on_ray(places[0], collection, include, exclude, say) else 0)
    from app.client import ServiceError
    from app.schemas import NewJob

    if not places:
        raise ValueError("ingest what? Name files, folders or URLs")
    failed = 0
    queued = []
    with connect() as client:
        client.create_collection(collection)
        for place in places:
            job = NewJob.model_validate(
                {
                    "place": full_place(place),
                    "collection": collection,
                    "include": list(include),
                    "exclude": list(exclude),
                    "sync": sync,
                    "force": force,
                    **say.fields(),
                }
            )
            try:
                if dry_run:
                    _print_plan(client.plan(job), sync=sync)
                else:
                    queued.append(client.ingest(job).id)
            except ServiceError as error:
                note(f"kalm: {error}")
                failed += 1
        if dry_run:
            pass
        elif wait:
            failed += sum(follow(client, job) for job in queued)
        else:
            print(f"queued: {len(queued)}; `kalm jobs` shows how far they are")
    sys.exit(1 if failed else 0)


def full_place(place: str) -> str:
    """A path from the root, a URL or a store as it is."""
    return place if "://" in place else str(Path(place).absolute())


def follow(client: "Client", job: str) -> int:
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
                note(detail.job.problem)
                return 1
            return detail.job.outcomes.get("failed", 0)
        time.sleep(_POLL_S)


def _ingest_on_ray(
    place: str, collection: str, include: tuple[str, ...], exclude: tuple[str, ...], say: Say
) -> int:
    """Returns how many documents failed, 1 if the job itself did."""
    from app.filters import given_of
    from app.schemas import Labelled
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

    given = given_of(Labelled.model_validate(say.fields()))
    job = ingest(Settings(), Place(full_place(place), Selection(include, exclude)), collection, done, given)
    print(", ".join(f"{count} {what}" for what, count in sorted(job.outcomes.items())) or "nothing to ingest")
    if job.problem:
        note(job.problem)
        return 1
    return job.outcomes.get("failed", 0)


def _print_plan(plan: "Plan", *, sync: bool) -> None:
    for file in plan.files:
        if sync or file.state != "gone":
            print(f"{file.state:<10} {file.reason or file.name}")
    print(", ".join(f"{count} {state}" for state, count in sorted(plan.counts.items())) or "nothing there")
    if sync and plan.refusal:
        note(plan.refusal)
