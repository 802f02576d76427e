"""Back-pressure: what waits to be ingested waits on disk, and memory does not follow the corpus."""

import sys
from pathlib import Path

import pytest

from benchmarks.memory import MB, ingested, service, write_corpus

MEGABYTES = 60
GROWTH_MB = 100
"""Private memory of the service from the first tenth of the corpus to its end."""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_flat_while_a_corpus_streams_through(tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "corpus", MEGABYTES, pages_a_table=10_000)  # little text: no large index
    assert sum(path.stat().st_size for path in (tmp_path / "corpus").iterdir()) >= MEGABYTES * MB

    with service(tmp_path / "data") as (client, memory):
        warm = 0
        for done in ingested(client, tmp_path / "corpus"):
            warm = warm or (len(memory.own) if done >= 0.1 else 0)
        stored = client.documents("library").total

    assert stored == files
    assert max(memory.own[warm:]) - max(memory.own[:warm]) < GROWTH_MB
    assert max(memory.children) < GROWTH_MB * 2
