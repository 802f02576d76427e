"""Does a phrase of its own find each document? python -m benchmarks.phrases FOLDER

The folder is ingested twice (the second time must write nothing); then, several times over, twelve
words in a row are taken from each document and searched for. Dense search through the funnel, 10 hits.
"""

import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import tyro

from app.client import Client
from app.schemas import DocumentText, Job, NewJob, SearchRequest
from benchmarks.machine import describe, up

COLLECTION = "phrases"
WORDS = 12


def main(folder: Annotated[Path, tyro.conf.Positional], rounds: int = 10) -> None:
    """Print the outcome of the ingestion by format, and how many phrases found their document."""
    with tempfile.TemporaryDirectory() as name, up(Path(name)) as service, Client(service.url) as client:
        client.create_collection(COLLECTION)
        begin = time.perf_counter()
        first = ingest(client, folder)
        print(f"{folder}: {first.outcomes} in {time.perf_counter() - begin:.0f} s")
        formats = Counter(
            (item.outcome, Path(item.name).suffix.lower() or "(none)") for item in client.job(first.id).items
        )
        for (outcome, suffix), number in sorted(formats.items()):
            print(f"  {outcome:<8} {suffix:<7} {number}")
        print(f"again: {ingest(client, folder).outcomes}")
        documents = client.documents(COLLECTION, state="ready", limit=1000).documents
        texts = [client.document(document.id) for document in documents]
        for group in ("English", "other"):
            chosen = [text for text in texts if (text.document.language == "en") == (group == "English")]
            found = [find(client, text, seed) for seed in range(rounds) for text in chosen]
            share = sum(found) / max(1, len(found))
            print(f"{group}: {share:.1%} of {len(found)} phrases of {len(chosen)} documents")
    print(describe())


def ingest(client: Client, folder: Path) -> Job:
    job = client.ingest(NewJob(place=str(folder.resolve()), collection=COLLECTION))
    while job.finished is None:
        time.sleep(0.2)
        job = client.job(job.id).job
    return job


def find(client: Client, text: DocumentText, seed: int) -> bool:
    """Whether a phrase of the document has it among its 10 hits."""
    words = " ".join(passage.text for passage in text.passages).split()
    start = random.Random(f"{seed} {text.document.name}").randrange(max(1, len(words) - WORDS))
    phrase = " ".join(words[start : start + WORDS])[:150]
    hits = client.search(SearchRequest(query=phrase, collection=COLLECTION)).hits
    return any(source.document == text.document.id for hit in hits for source in hit.sources)


if __name__ == "__main__":
    tyro.cli(main)
