"""A real shelf in a temporary folder: real parts only, and the fake encoder."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedder.fake import FakeEncoder
from ingest.database import Database
from ingest.index import Location, open_index
from ingest.intake import Intake
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of
from ingest.records import Document, Element, Stage
from ingest.sources import Originals
from ingest.stores import Stores


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "ledger.sqlite")
    yield database
    database.close()


@pytest.fixture
def open_shelf(tmp_path: Path, database: Database) -> Iterator[Callable[[], Shelf]]:
    """Opens the shelf; calling it again is a restart."""
    opened: list[Shelf] = []

    def open_it() -> Shelf:
        for shelf in opened:
            shelf.index.close()
        opened.clear()
        encoder = FakeEncoder()
        ledger = Ledger(database)
        ledger.add_collection("library")
        index = open_index("library", contract_of(encoder), Location(tmp_path / "index", None, None))
        opened.append(Shelf("library", index, encoder, ledger))
        return opened[0]

    yield open_it
    for shelf in opened:
        shelf.index.close()


@pytest.fixture
def shelf(open_shelf: Callable[[], Shelf]) -> Shelf:
    return open_shelf()


@pytest.fixture
def intake(tmp_path: Path, database: Database) -> Intake:
    """Files of at most 10 kB, and fsspec's store in memory."""
    originals = Originals(tmp_path / "originals")
    return Intake(originals, database, max_bytes=10_000, stores=Stores(schemes=("memory",)))


def read_lines(document: Document) -> list[Element]:
    """A parser that needs no child process: `# …` is a title, every other line a paragraph."""
    lines = document.source.path.read_text().splitlines()
    return [
        Element("title", line[2:]) if line.startswith("# ") else Element("text", line)
        for line in lines
        if line.strip()
    ]


class Unwatched:
    """Nobody follows the stages of a document."""

    def enter(self, stage: Stage) -> None: ...

    def add(self, work: int) -> None: ...


def until(holds: Callable[[], bool]) -> bool:
    """Whether it does within ten seconds."""
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()
