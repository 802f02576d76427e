"""`kalm jobs`: what is being done, and what was."""

from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from app.cli.terminal import connect, given, line

if TYPE_CHECKING:
    from app.schemas import Progress


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
    with connect() as client:
        if action == "show":
            detail = client.job(given(job, "job"))
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
            client.act(given(job, "job"), action)
        for one in client.jobs():
            if json_:
                print(one.model_dump_json())
                continue
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(one.outcomes.items()))
            print(f"{one.id}  {one.state:<9} {one.collection}  {outcomes}  {line(one.source, 60)}")
            if one.progress:
                print(f"  {_progress(one.progress)}")
            if one.problem:
                print(f"  {one.problem}")


def _progress(progress: "Progress") -> str:
    left = "" if progress.eta_s is None else f", {progress.eta_s:.0f} s left"
    return f"{progress.documents_per_h:.0f} documents/h, {progress.tokens_per_s:.0f} tokens/s{left}"
