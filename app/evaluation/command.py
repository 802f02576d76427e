"""What `kalm evaluate` does: a file or folder to the service, runs to one table."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from app.client import Client, ServiceError
from app.evaluation.schemas import Estimate, Measure, NewRuns, Run, Slice
from app.schemas import Ranking

if TYPE_CHECKING:
    from app.evaluation.pack import TaskResult

_BEIR = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
_POLL_S = 0.3
_RECALLS: tuple[Measure, ...] = ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_100")


def read_rankings(text: str) -> list[Ranking]:
    """From "hybrid,lexical". Raises ValueError."""
    known: dict[str, Ranking] = {ranking: ranking for ranking in get_args(Ranking)}
    names = _parts(text)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no ranking {', '.join(unknown)}: there is {', '.join(known)}")
    return [known[name] for name in names]


def read_dims(text: str) -> list[int]:
    """From "384,96". Raises ValueError."""
    parts = _parts(text)
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--dims {text}: give whole numbers with commas between, such as 384,96")
    return [int(part) for part in parts]


def evaluate(
    client: Client,
    source: str,
    collection: str,
    rankings: list[Ranking],
    dims: list[int],
    *,
    exact: bool,
    ingest: bool,
) -> list[Run]:
    """Finished runs, in the order of rankings and widths.

    source: a BEIR folder, a `.csv` or `.jsonl`, imported anew, or the name of a query set.
    ingest: also make the collection and ingest the folder's corpus. Raises ServiceError, ValueError.
    """
    path = Path(source)
    name = _import(client, path, collection if ingest else None) if path.exists() else source
    new = NewRuns(query_set=name, collection=collection, rankings=rankings, dims=dims, exact=exact)
    return [_finished(client, run.id) for run in client.evaluate(new)]


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each run, and below it one for each language where there are several."""
    yield (
        f"{'ranking':<9}{'dims':>6} {'language':<9}{'queries':>8}  {'nDCG@10':<20}"
        f"{'R@1':>6}{'R@5':>6}{'R@10':>6}{'R@100':>6}{'MRR':>6}"
    )
    for run in runs:
        assert run.report is not None  # it is done
        rows = [run.report.overall, *(run.report.languages if len(run.report.languages) > 1 else [])]
        for row in rows:
            yield f"{run.ranking:<9}{run.dim or '-':>6} {_figures(row)}"
    if missing := max(run.missing for run in runs):
        left_out = max(run.left_out for run in runs)
        yield f"{missing} relevant documents are not in the collection; {left_out} queries have none at all"


def pack_header(rankings: Sequence[str]) -> str:
    columns = "".join(f"{ranking:>9}" for ranking in rankings)
    return f"{'task':<20}{'languages':<16}{'documents':>10}{'queries':>8}{columns}  nDCG@10 x 100"


def pack_line(task: "TaskResult") -> str:
    languages = " ".join(task.languages[:3]) + (" …" if len(task.languages) > 3 else "")
    columns = "".join(f"{100 * _ndcg(run).value:>9.1f}" for run in task.runs)
    return f"{task.task:<20}{languages:<16}{task.documents:>10}{task.runs[0].total:>8}{columns}"


def pack_average(tasks: "Sequence[TaskResult]") -> str:
    means = [
        100 * sum(_ndcg(run).value for run in runs) / len(tasks)
        for runs in zip(*(task.runs for task in tasks), strict=True)
    ]
    return f"{'average':<54}" + "".join(f"{mean:>9.1f}" for mean in means)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _import(client: Client, path: Path, corpus_into: str | None) -> str:
    """Send the files; a set that came from files and has the name is replaced. Returns the name."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._") or "queries"
    paths = [path / file for file in _BEIR if (path / file).is_file()] if path.is_dir() else [path]
    if not paths:
        raise ValueError(f"{path} holds none of {', '.join(_BEIR)}")
    if any(one.name == name and one.origin == "file" for one in client.query_sets()):
        client.delete_set(name)
    if corpus_into is not None:
        client.create_collection(corpus_into)
    with ExitStack() as stack:
        files = [(one.name, stack.enter_context(one.open("rb"))) for one in paths]
        client.import_set(name, files, corpus_into=corpus_into)
    if corpus_into is not None:
        while (job := client.jobs(1, collection=corpus_into)[0]).finished is None:
            time.sleep(_POLL_S)
        if job.problem:
            raise ServiceError(job.problem)
    return name


def _finished(client: Client, run: str) -> Run:
    """Raises ServiceError if it failed."""
    while (found := client.run(run).run).state in ("queued", "running"):
        time.sleep(_POLL_S)
    if found.problem:
        raise ServiceError(found.problem)
    return found


def _figures(row: Slice) -> str:
    ndcg = row.values["ndcg_at_10"]
    recalls = "".join(f"{100 * row.values[measure].value:>6.1f}" for measure in _RECALLS)
    interval = f"{100 * ndcg.value:.1f} [{100 * ndcg.low:.1f}, {100 * ndcg.high:.1f}]"
    language = row.query_language or "all"
    return f"{language:<9}{row.queries:>8}  {interval:<20}{recalls}{100 * row.values['mrr'].value:>6.1f}"


def _ndcg(run: Run) -> Estimate:
    assert run.report is not None  # it is done
    return run.report.overall.values["ndcg_at_10"]
