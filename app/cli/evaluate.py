"""`kalm evaluate`."""

from pathlib import Path

from tyro.conf import Positional, UseAppendAction

from app.cli.terminal import LIBRARY, connect


def evaluate(
    source: Positional[str] = "",
    *,
    collection: str = LIBRARY,
    ranking: str = "",
    dims: str = "",
    exact: bool = False,
    ingest: bool = False,
    pack: Path | None = None,
    only: UseAppendAction[tuple[str, ...]] = (),
) -> None:
    """Measure search on queries with known answers, and print one table.

    Args:
        source: A BEIR folder, a `.csv` or `.jsonl` (query, document), or the name of a query set.
        ranking: hybrid, dense, lexical, or several with commas between; hybrid, and for a pack all.
        dims: Stored widths, with commas between; the full one if not given.
        exact: Compare with every full vector.
        ingest: First ingest the corpus of a BEIR folder into the collection.
        pack: Instead of a source, a folder of BEIR folders: each is ingested, searched and scored in a
            temporary data folder; needs no service.
        only: Of a pack, tasks whose names begin so. May be given several times.
    """
    from app.evaluation import command

    rankings = command.read_rankings(ranking or ("dense,lexical,hybrid" if pack else "hybrid"))
    if pack is not None:
        from app.evaluation.pack import evaluate_pack
        from app.settings import Settings

        print(command.pack_header(rankings), flush=True)
        tasks = []
        for task in evaluate_pack(pack, Settings(), rankings, only):
            print(command.pack_line(task), flush=True)
            tasks.append(task)
        print(command.pack_average(tasks))
        return
    if not source:
        raise ValueError("evaluate what? Name a BEIR folder, a .csv, a .jsonl or a query set")
    widths = command.read_dims(dims)
    with connect() as client:
        runs = command.evaluate(client, source, collection, rankings, widths, exact=exact, ingest=ingest)
    for line in command.table(runs):
        print(line)
