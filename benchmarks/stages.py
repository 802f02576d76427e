r"""What each stage of ingestion costs, and what many documents take: python -m benchmarks.stages FOLDER

The folder goes through a service, one document at a time, so that no stage takes time from
another; seconds and work are those of the ledger. Files that are refused are counted and left out. What the
driver of the Ray engine does alone, count and publish, is timed again after the run.

The second table is arithmetic, docs/scale.md says how. It takes the CPU stages to spread over all cores but
the encoder's, and every stage to be as busy as the slowest allows:

    hours = documents / 3600 * max(CPU seconds / (N * cores left), encode seconds / N, publish seconds)
"""

import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Annotated

import tyro

from app.service import Service
from app.settings import Settings
from benchmarks.machine import describe
from ingest.jobs import Job, Work
from ingest.pipeline import Shelf, publish
from ingest.places import Place
from ingest.records import Source, Stage, document_id
from ingest.sources import list_files, read_document

MODEL = "kalm-nano"
MANY = 10_000_000
MACHINES = (1, 10, 100)
WORK: dict[Stage, str] = {
    "read": "bytes",
    "parse": "elements",
    "chunk": "chunks",
    "encode": "tokens",
    "write": "chunks",
    "verify": "",
}


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    model: str = MODEL,
    threads: int = max(1, (os.cpu_count() or 2) // 2),
) -> None:
    """Print seconds and work by stage, documents/h of each, and hours of many documents on some machines.

    Args:
        threads: Of the encoder; as the Ray engine does, half of the cores.
    """
    print(describe())
    sources = list(list_files(folder.resolve()))
    totals: dict[Stage, Work] = {}
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data), model=model, device="cpu", threads=threads)
        with closing(Service.open(settings)) as service:
            service.start()
            _ingest(service, sources[0], "warm")
            for source in sources:
                begin = time.perf_counter()
                job = _ingest(service, source, "library")
                outcomes.update(job.outcomes)
                print(
                    f"{time.perf_counter() - begin:6.1f} s  {source.name}: {dict(job.outcomes)}",
                    file=sys.stderr,
                    flush=True,
                )
                if "added" in job.outcomes:
                    for stage, work in service.jobs.stages(job.id).items():
                        before = totals.get(stage, Work(0.0, 0))
                        totals[stage] = Work(before.seconds + work.seconds, before.work + work.work)
            publish_s = _publish_s(sources, service.shelf("library"))
            print(f"{folder.name}: {dict(outcomes)}; {service.encoder.name} on {service.encoder.device}")
    used = sum(sum(getrusage(whose)[:2]) for whose in (RUSAGE_SELF, RUSAGE_CHILDREN))
    print(f"CPU seconds used in all {used:.0f}; load at the end {os.getloadavg()[0]:.1f}")
    _stages(totals, outcomes["added"], publish_s)
    _machines(totals, outcomes["added"], publish_s, threads)


def _ingest(service: Service, source: Source, collection: str) -> Job:
    service.create_collection(collection)
    job = service.ingest_place(collection, Place(str(source.path)), sync=False, force=False)
    while job.finished is None:
        time.sleep(0.01)
        job = service.jobs.get(job.id)
    return job


def _publish_s(sources: list[Source], shelf: Shelf) -> float:
    """Mean seconds to count and publish a document, here once more."""
    taken = []
    for source in sources:
        version = shelf.ledger.document(document_id("library", source)).version
        if version is not None:
            document = read_document(source, "library", max_bytes=1 << 30)
            begin = time.perf_counter()
            publish(document, version, shelf, None)
            taken.append(time.perf_counter() - begin)
    return sum(taken) / len(taken)


def _stages(totals: dict[Stage, Work], documents: int, publish_s: float) -> None:
    print(f"\n{'stage':<10} {'seconds':>9} {'work':>12} {'':<9} {'ms/document':>11} {'documents/h':>12}")
    for stage in WORK:
        work = totals[stage]
        print(
            f"{stage:<10} {work.seconds:>9.1f} {work.work or '':>12} {WORK[stage]:<9} "
            f"{work.seconds / documents * 1000:>11.1f} {documents * 3600 / work.seconds:>12,.0f}"
        )
    print(f"{'publish':<10} {'':>9} {'':>12} {'':<9} {publish_s * 1000:>11.1f} {3600 / publish_s:>12,.0f}")


def _machines(totals: dict[Stage, Work], documents: int, publish_s: float, threads: int) -> None:
    left = max(1, (os.cpu_count() or 1) - threads)
    cpu_s = sum(totals[stage].seconds for stage in ("read", "parse", "chunk", "write")) / documents
    encode_s = totals["encode"].seconds / documents
    print(f"\nper document: CPU {cpu_s:.3f} s, encoder {encode_s:.3f} s, publish {publish_s:.4f} s")
    for machines in MACHINES:
        bounds = {
            "CPU": cpu_s / (machines * left),
            "encoder": encode_s / machines,
            "publish": publish_s,
        }
        slowest = max(bounds, key=bounds.__getitem__)
        hours = MANY / 3600 * bounds[slowest]
        print(
            f"{MANY:,} documents on {machines:>3} machines like this: {hours:>9,.0f} h, limited by {slowest}"
        )


if __name__ == "__main__":
    tyro.cli(main)
