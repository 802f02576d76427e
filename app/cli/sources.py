"""`kalm sources`: places that collections are kept in sync with."""

import re
import sys
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from app.cli.filters import Say
from app.cli.ingest import follow, full_place
from app.cli.terminal import LIBRARY, connect, given

if TYPE_CHECKING:
    from app.schemas import NamedSource

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}


def sources(
    action: Positional[Literal["list", "add", "remove", "run"]] = "list",
    name: Positional[str] = "",
    place: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    every: str = "",
    watch: bool = False,
    include: UseAppendAction[tuple[str, ...]] = (),
    exclude: UseAppendAction[tuple[str, ...]] = (),
    force: bool = False,
    say: OmitArgPrefixes[Say] = Say(),  # noqa: B008 frozen
) -> None:
    """Name places that a collection is kept in sync with; list, forget or sync them.

    Args:
        name: Such as `handbook`. Adding one that is there replaces it; removing one keeps its documents.
        place: As for `kalm ingest`.
        collection: Made if it is not there.
        every: From one sync to the next: 30m, 1h, 7d.
        watch: Sync within seconds of a change; folders only.
        include: Globs below the folder, such as `*.pdf` or `reports/**`. May be given several times.
        exclude: Stronger than `include`.
        force: With `run`, let the sync remove more than a fifth of the documents.
    """
    from app.schemas import NewSource

    with connect() as client:
        if action == "run":
            job = client.run_source(given(name, "source"), force=force)
            sys.exit(1 if follow(client, job.id) else 0)
        if action == "add":
            given(name, "source")
            if not place:
                raise ValueError(f"keep {name} in sync with what? Name a folder, a URL or a store")
            source = NewSource.model_validate(
                {
                    "place": full_place(place),
                    "collection": collection,
                    "include": list(include),
                    "exclude": list(exclude),
                    "every_s": _seconds(every) if every else None,
                    "watch": watch,
                    **say.fields(),
                }
            )
            client.create_collection(collection)
            client.put_source(name, source)
        elif action == "remove":
            client.delete_source(given(name, "source"))
        for one in client.sources():
            _print(one)


def _seconds(every: str) -> int:
    found = re.fullmatch(r"(\d+)([mhd])", every)
    if not found:
        raise ValueError(f"every {every!r}? Say 30m, 1h or 7d")
    return int(found[1]) * _UNITS_S[found[2]]


def _print(source: "NamedSource") -> None:
    when = [f"every {_interval(source.every_s)}"] if source.every_s else []
    when += ["watched"] if source.watch else []
    print(f"{source.name:<20} {source.collection:<20} {', '.join(when) or 'by hand'}  {source.place}")
    if source.job:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(source.job.outcomes.items()))
        print(f"  {source.job.created.astimezone():%Y-%m-%d %H:%M}  {source.job.state}  {outcomes}")
    if source.due:
        print(f"  next {source.due.astimezone():%Y-%m-%d %H:%M}")
    if source.problem:
        print(f"  {source.problem}")


def _interval(seconds: int) -> str:
    """In the largest unit that divides it: 5400 s are 90m."""
    for unit, size_s in reversed(_UNITS_S.items()):
        if seconds % size_s == 0:
            return f"{seconds // size_s}{unit}"
    return f"{seconds}s"
