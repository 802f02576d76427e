"""What every test of a reader needs: to write a file and read it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.parse import parse
from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read(name, content)`: the elements of a file of that name."""

    def write_and_parse(name: str, content: str | bytes) -> list[Element]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(parse(path, name))

    return write_and_parse
