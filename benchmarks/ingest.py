r"""Files to a collection, ours against LlamaIndex's own pipeline: python -m benchmarks.ingest FOLDER

Theirs is what its documentation puts together: SimpleDirectoryReader, SentenceSplitter, HuggingFaceEmbedding,
QdrantVectorStore on qdrant-client's local mode. Same weights, same files, fresh stores, turn by turn in one
process. Ours does all of the product's work: a ledger that survives a kill, parsing in child processes with
limits, language per chunk, a search for each document at its end. Only files that both sides can read are
timed. Their packages pin what ours can't be with, so they get a folder of their own:

    pip install --no-deps --target PEERS llama-index-readers-file \
        llama-index-vector-stores-qdrant pypdf docx2txt
    PYTHONPATH=PEERS python -m benchmarks.ingest FOLDER
"""

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Annotated

import tyro
from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

import embedder
from app.service import PARSERS
from benchmarks.machine import describe
from embedder.encoder import Encoder
from embedder.fake import FakeEncoder
from embedder.locate import locate
from embedder.queue import QueuedEncoder
from ingest.database import Database
from ingest.index import Location, open_index
from ingest.intake import Intake
from ingest.jobs import Jobs
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of, remove
from ingest.runner import Runner
from ingest.sources import Originals, list_files
from ingest.worker import ParseWorkers

THEIRS = "LlamaIndex"
SPLIT_TOKENS = 256
"""Of theirs: what the model reads, as its users set it."""
MAX_BYTES = 200_000_000
LONG_SECTIONS = 20_000
"""Two of them make a chunk."""


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    rounds: int = 3,
    largest_kb: int = 1_000_000,
    model: str = "kalm-nano",
) -> None:
    """Print documents/h of each side and what deleting a document of 10,000 chunks takes."""
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    print(describe())
    with tempfile.TemporaryDirectory() as scratch:
        readers = ParseWorkers(PARSERS, timeout_s=90, memory_mb=2048)
        files = _both_can_read(folder, largest_kb * 1000, readers)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        print(
            f"{len(files)} files of {folder.name} that both sides read, {megabytes:.1f} MB, {model}, "
            f"{rounds} rounds"
        )
        folder_of_weights = str(locate(model)[1])
        embedding = HuggingFaceEmbedding(folder_of_weights, device="cpu", max_length=SPLIT_TOKENS)
        sides: dict[str, Callable[[Path], int]] = {
            f"ours, {precision}": _ours(files, embedder.load(model, "cpu", precision), readers)
            for precision in ("bf16", "fp32")
        }
        sides[THEIRS] = lambda store: _theirs(files, embedding, store)
        _table(sides, len(files), rounds, Path(scratch))
        readers.close()
        _delete(Path(scratch))


def _table(sides: dict[str, Callable[[Path], int]], files: int, rounds: int, scratch: Path) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    chunks: dict[str, int] = {}
    for round_ in range(rounds + 1):  # the first warms up
        for name, run in sides.items():
            begin = time.perf_counter()
            chunks[name] = run(scratch / f"{name} {round_}")
            if round_:
                seconds[name].append(time.perf_counter() - begin)
    print(f"\n{'':<14} documents/h   chunks   to {THEIRS}")
    for name, taken in seconds.items():
        ratios = [other / one for one, other in zip(taken, seconds[THEIRS], strict=True)]
        print(
            f"{name:<14} {files * 3600 / median(taken):>11,.0f} {chunks[name]:>8} "
            f"{median(ratios):>7.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def _ours(files: Sequence[Path], encoder: Encoder, readers: ParseWorkers) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        with closing(_open(folder, encoder)) as library:
            job = library.jobs.add(
                "library", "benchmark", items=[source for file in files for source in list_files(file)]
            )
            runner = Runner(
                library.jobs,
                lambda _: library.shelf,
                lambda document: readers.parse(document.source.path, document.source.name),
                Intake(Originals(folder / "originals"), library.database, max_bytes=MAX_BYTES),
            )
            runner.start()
            while library.jobs.get(job.id).finished is None:
                time.sleep(0.02)
            runner.stop()
            assert library.jobs.get(job.id).outcomes.keys() <= {"added", "alias"}, library.jobs.get(job.id)
            return library.shelf.index.count()

    return run


class _open:  # noqa: N801 a function that closes
    """A library of its own in `folder`."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        folder.mkdir()
        self.database = Database(folder / "ledger.sqlite")
        self.jobs = Jobs(self.database)
        ledger = Ledger(self.database)
        ledger.add_collection("library")
        self._encoder = QueuedEncoder(encoder)
        index = open_index("library", contract_of(encoder), Location(folder / "index", None, None))
        self.shelf = Shelf("library", index, self._encoder, ledger)

    def close(self) -> None:
        self._encoder.close()
        self.shelf.index.close()
        self.database.close()


def _theirs(files: Sequence[Path], embedding: HuggingFaceEmbedding, folder: Path) -> int:
    with closing(QdrantClient(path=str(folder))) as client:
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=SPLIT_TOKENS, chunk_overlap=20), embedding],
            vector_store=QdrantVectorStore("library", client=client),
        )
        pipeline.run(documents=SimpleDirectoryReader(input_files=list(files)).load_data())
        return client.count("library").count


def _both_can_read(folder: Path, largest_bytes: int, readers: ParseWorkers) -> list[Path]:
    """Files that give text on both sides."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix):
        if file.stat().st_size > largest_bytes:
            continue
        try:
            documents = SimpleDirectoryReader(input_files=[file], raise_on_error=True).load_data()
            if any(document.text.strip() for document in documents) and readers.parse(file, file.name):
                found.append(file)
        except Exception as error:
            print(f"left out: {file.name} ({type(error).__name__})")
    return found


def _delete(scratch: Path) -> None:
    """A document of 10,000 chunks, beside as many others."""
    encoder = FakeEncoder()
    for name in ("long", "other"):
        paragraphs = (
            f"# Part {number}\n\n{name} {number} " + "word " * 40 for number in range(LONG_SECTIONS)
        )
        (scratch / f"{name}.md").write_text("\n\n".join(paragraphs))
    readers = ParseWorkers(1, timeout_s=600, memory_mb=4096)
    _ours([scratch / "other.md"], encoder, readers)(scratch / "warm")
    with closing(_open(scratch / "delete", encoder)) as library:
        runner = Runner(
            library.jobs,
            lambda _: library.shelf,
            lambda document: readers.parse(document.source.path, document.source.name),
            Intake(Originals(scratch / "o"), library.database, max_bytes=MAX_BYTES),
        )
        items = [source for name in ("long", "other") for source in list_files(scratch / f"{name}.md")]
        job = library.jobs.add("library", "benchmark", items=items)
        runner.start()
        while library.jobs.get(job.id).finished is None:
            time.sleep(0.05)
        runner.stop()
        row = library.shelf.ledger.documents("library", text="long")[0][0]
        begin = time.perf_counter()
        remove(row.id, library.shelf)
        print(f"\ndeleting a document of {row.chunks:,} chunks: {time.perf_counter() - begin:.2f} s")
        assert library.shelf.index.count(str(row.version)) == 0
    readers.close()


if __name__ == "__main__":
    tyro.cli(main)
