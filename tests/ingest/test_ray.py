"""The Ray engine on a cluster of this machine, against a Qdrant server on loopback."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient

import embedder
from app.bulk import ingest
from app.service import claim_folder
from app.settings import Settings
from embedder.encoder import Encoder, Vectors
from embedder.fake import FakeEncoder
from ingest import pipeline
from ingest.check import check
from ingest.database import Database
from ingest.errors import IndexLocked, IngestError
from ingest.index import Location, open_index
from ingest.jobs import Job, Jobs
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of
from ingest.places import Place
from ingest.ray import Means, cluster, run
from ingest.sources import list_files, read_document
from ingest.worker import ParseWorker
from tests.ingest.conftest import Unwatched
from tests.ingest.qdrant import server

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),  # what Ray does with its own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # and what its shutdown leaves open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXTS = {
    "bikes.md": "# Bikes\n\nthe battery wants a cool dry place",
    "bread.txt": "flour water salt and time",
    "copy.md": "# Bikes\n\nthe battery wants a cool dry place",
    "long.txt": "\n\n".join(f"paragraph {number} has {number * number} words of wool" for number in range(900)),
}


@pytest.fixture(scope="module", autouse=True)
def ray_cluster() -> Iterator[None]:
    with cluster(num_cpus=2, object_store_memory=80 << 20):
        yield


@pytest.fixture
def qdrant() -> Iterator[tuple[str, QdrantClient]]:
    with server() as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


def settings(tmp_path: Path, url: str | None) -> Settings:
    return Settings(model="fake", data_dir=tmp_path / "data", qdrant_url=url)


def outcomes(*names: str) -> Callable[[str, str], None]:
    return lambda outcome, what: None


def points(client: QdrantClient) -> dict[str, Any]:
    """Of each id: payload and vectors."""
    records, rest = client.scroll("kalm_library", limit=10_000, with_payload=True, with_vectors=True)
    assert rest is None
    return {str(record.id): (record.payload, record.vector) for record in records}


@dataclass(frozen=True)
class Dying(FakeEncoder):
    """Dies with its process the first time it is used."""

    flag: Path

    def encode_documents(self, texts: Any, dim: int | None = None) -> Vectors:
        try:
            self.flag.touch(exist_ok=False)
        except FileExistsError:
            return super().encode_documents(texts, dim)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
