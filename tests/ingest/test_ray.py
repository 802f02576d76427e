"""The Ray engine on a cluster of this machine, against a Qdrant server on loopback."""

import os
import signal
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient

from app.adaptation.schemas import NewTraining
from app.adaptation.store import Store
from app.bulk import ingest
from app.service import claim_folder
from app.settings import Settings
from embedder.encoder import Encoder, Vectors
from embedder.fake import FakeEncoder
from ingest import pipeline
from ingest.check import check
from ingest.database import Database
from ingest.errors import IndexLocked, NotPossible, StoreError
from ingest.index import Location, open_index
from ingest.index.server import ServerIndex
from ingest.jobs import Job, Jobs, Outcome
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of
from ingest.places import Place
from ingest.ray import Means, cluster, run
from ingest.records import Source
from ingest.sources import list_files, read_document
from ingest.worker import ParseWorker
from tests.ingest.conftest import Unwatched
from tests.ingest.qdrant import server

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:The minimum number of concurrent actors:UserWarning"),
]

Server = tuple[str, QdrantClient]

GOOD = {
    "bikes.md": "# Bikes\n\nthe battery wants a cool dry place",
    "bread.txt": "flour water salt and time",
    "copy.md": "# Bikes\n\nthe battery wants a cool dry place",
    "long.txt": "\n\n".join(
        f"{number} has a square of {number * number} and so on" * 20 for number in range(90)
    ),
}
"""The long one makes more than one batch of chunks."""
BAD = {"bad.pdf": "%PDF-1.4 and nothing more", "empty.txt": "", "empty too.txt": ""}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    with cluster(num_cpus=2, object_store_memory=80 << 20):
        yield


@pytest.fixture
def qdrant() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "documents", GOOD)


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def bulk(folder: Path, url: str | None) -> Job:
    settings = Settings(model="fake", data_dir=folder.parent / "data", qdrant_url=url)
    return ingest(settings, Place(str(folder)), "library", no_matter)


def no_matter(_: Outcome, __: str) -> None: ...


@contextmanager
def library(data: Path, url: str) -> Iterator[tuple[Jobs, Shelf]]:
    """What is in a data folder and at its server."""
    data.mkdir(exist_ok=True)
    with closing(Database(data / "ledger.sqlite")) as database:
        encoder, ledger = FakeEncoder(), Ledger(database)
        index = open_index("library", contract_of(encoder), Location(data, url))
        ledger.add_collection("library")
        yield Jobs(database), Shelf("library", index, encoder, ledger)


def points(client: QdrantClient) -> dict[str, Any]:
    """Of each id: payload, without the time it came in, and vectors."""
    records, rest = client.scroll("kalm_library", limit=10_000, with_payload=True, with_vectors=True)
    assert rest is None
    return {
        str(record.id): ({**(record.payload or {}), "ingested": None}, record.vector) for record in records
    }


@dataclass(frozen=True)
class Ran:
    """A folder of good and bad files after one run."""

    job: Job
    folder: Path
    data: Path
    qdrant: Server


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = write(tmp_path_factory.mktemp("ran") / "documents", {**GOOD, **BAD})
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        archive.writestr("inside.txt", "one two three")
    with server() as started:
        yield Ran(bulk(folder, started[0]), folder, folder.parent / "data", started)


def test_the_points_and_versions_are_those_of_the_service(ran: Ran, tmp_path: Path) -> None:
    client, encoder = QdrantClient(":memory:"), FakeEncoder()
    index = ServerIndex("library", client, contract_of(encoder))
    with closing(Database(tmp_path / "ledger.sqlite")) as database, closing(ParseWorker()) as worker:
        shelf = Shelf("library", index, encoder, Ledger(database))
        shelf.ledger.add_collection("library")
        for name in GOOD:
            source = Source((ran.folder / name).as_uri(), name, ran.folder / name)
            document = read_document(source, "library", max_bytes=1_000_000)
            pipeline.ingest(document, shelf, lambda one: worker.parse(one.source.path, name), Unwatched())  # noqa: B023
        versions = shelf.ledger.versions("library")

    assert len(points(client)) > 64
    assert points(ran.qdrant[1]) == points(client)
    with library(ran.data, ran.qdrant[0]) as (_, found):
        assert found.ledger.versions("library") == versions
        assert check(found).consistent
    client.close()


def test_seconds_and_work_of_every_stage_are_kept(ran: Ran) -> None:
    with library(ran.data, ran.qdrant[0]) as (jobs, _):
        stages = jobs.stages(ran.job.id)

    assert set(stages) == {"read", "parse", "chunk", "encode", "write", "verify"}
    assert stages["write"].work == len(points(ran.qdrant[1]))


def test_a_bad_file_fails_alone_with_its_reason(ran: Ran) -> None:
    assert ran.job.outcomes == {"added": 3, "alias": 1, "failed": 4}
    with library(ran.data, ran.qdrant[0]) as (_, shelf):
        failed, _ = shelf.ledger.documents("library", state="failed")
    assert {row.name: row.error_code for row in failed} == {
        "bad.pdf": "unreadable",
        "empty.txt": "no_text",
        "empty too.txt": "no_text",
        "many.zip": "unsupported",
    }


def test_a_run_that_was_cut_short_is_finished_and_a_further_one_changes_nothing(
    tmp_path: Path, folder: Path, qdrant: Server
) -> None:
    settings = Settings(model="fake", data_dir=tmp_path / "data", qdrant_url=qdrant[0])

    def cut_short(_: Outcome, __: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(settings, Place(str(folder)), "library", cut_short)
    (folder / "bread.txt").write_text("flour water salt and more time")
    finished = bulk(folder, qdrant[0])
    before = points(qdrant[1])
    further = bulk(folder, qdrant[0])

    assert sum(finished.outcomes.values()) == 4
    assert further.outcomes == {"unchanged": 4}
    assert points(qdrant[1]) == before
    with library(tmp_path / "data", qdrant[0]) as (jobs, shelf):
        assert [job.id for job in jobs.latest()] == [further.id, finished.id]
        assert check(shelf).consistent


class Mortal(FakeEncoder):
    """Its process dies when it is first used, and whenever it reads of poison."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag

    def encode_documents(self, texts: Sequence[str], dim: int | None = None) -> Vectors:
        if not self._flag.exists() or any("poison" in text for text in texts):
            self._flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_documents(texts, dim)


def load_mortal(flag: Path, _: int | None) -> Encoder:
    return Mortal(flag)


def mortal_run(folder: Path, url: str) -> Job:
    tmp_path = folder.parent
    with library(tmp_path / "data", url) as (jobs, shelf):
        job = jobs.add("library", "a folder", items=list(list_files(folder)))
        jobs.begin(job.id)
        means = Means(
            encoder=partial(load_mortal, tmp_path / "flag"),
            tokens=lambda: FakeEncoder().token_spans,
            location=Location(tmp_path, url),
            max_bytes=1_000_000,
            timeout_s=60,
            memory_mb=2048,
        )
        run(job, jobs, shelf, means, no_matter)
        assert check(shelf).consistent
        return jobs.get(job.id)


def test_a_worker_that_is_killed_is_replaced_and_its_documents_done_again(
    folder: Path, qdrant: Server
) -> None:
    assert mortal_run(folder, qdrant[0]).outcomes == {"added": 3, "alias": 1}


def test_it_says_what_it_needs(folder: Path) -> None:
    with pytest.raises(ValueError, match="one opener: start a Qdrant server and name it in KALM_QDRANT_URL"):
        bulk(folder, None)

    data = folder.parent / "data"
    data.mkdir()
    with claim_folder(data), pytest.raises(IndexLocked, match="stop the service for the time of the run"):
        bulk(folder, "http://127.0.0.1:1")


def test_a_collection_that_a_trained_encoder_serves_is_refused(folder: Path) -> None:
    data = folder.parent / "data"
    data.mkdir()
    with closing(Database(data / "ledger.sqlite")) as database:
        Ledger(database).add_collection("library")
        trained = Store(database)
        training = trained.add(NewTraining(collection="library", name="tuned"), "fake").id
        trained.queue_shadow(training, "library")
        trained.serve("library", training, None)

    with pytest.raises(NotPossible, match="'library' is served by an encoder that was trained for it"):
        bulk(folder, "http://127.0.0.1:1")

    with closing(Database(data / "ledger.sqlite")) as database:
        assert not Jobs(database).latest()
        Store(database).serve("library", None, training)
    with pytest.raises(StoreError):  # gone back: it goes on to the server, and there is none
        bulk(folder, "http://127.0.0.1:1")
