"""A real shelf in a temporary folder: real parts only, and the fake encoder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedder.fake import FakeEncoder
from ingest.database import Database
from ingest.index import Location, open_index
from ingest.ledger import Ledger
from ingest.pipeline import Shelf, contract_of
from ingest.records import Document, Element, Stage


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
