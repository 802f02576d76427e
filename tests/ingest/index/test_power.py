"""A power cut: what was published is there, though the engine's segments never reached the disk."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder.pooling import normalise
from ingest.index import wal
from ingest.index.contract import Chunking, Contract
from ingest.index.edge import EdgeIndex
from ingest.lexical import encode_documents
from ingest.records import Chunk

CONTRACT = Contract("fake", "fake-1", (32, 8), Chunking("windows", 256, 64), recipe="1")


def put(index: EdgeIndex, version: str) -> None:
    chunks = [Chunk(version, at, f"{version} says {at}", "Title", (), None, "en") for at in range(3)]
    vectors = np.random.default_rng(0).standard_normal((3, 2, 32)).astype(np.float32)
    index.upsert(chunks, [normalise(part) for part in vectors], encode_documents([c.text for c in chunks]))
    index.publish(version, [f"document of {version}"])


def test_what_was_published_is_in_the_log_on_disk(tmp_path: Path) -> None:
    index = EdgeIndex("test", tmp_path / "test", CONTRACT, free_bytes=0)
    put(index, "before")
    index._shard.flush()
    shutil.copytree(tmp_path / "test", tmp_path / "after", ignore=shutil.ignore_patterns("codes*"))
    put(index, "published")
    log = tmp_path / "after" / "shard" / "wal"
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "test" / "shard" / "wal", log)  # of all that came after, the log alone
    index.close()

    again = EdgeIndex("test", tmp_path / "after", CONTRACT, free_bytes=0)

    assert again.visible_versions() == {"before": 3, "published": 3}
    assert len(again.chunks("published")) == 3
    again.close()


def test_every_file_of_the_log_is_brought_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = EdgeIndex("test", tmp_path / "test", CONTRACT, free_bytes=0)
    synced: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))

    put(index, "published")

    log = tmp_path / "test" / "shard" / "wal"
    assert {log, *log.iterdir()} <= set(synced)
    index.close()


def test_a_long_log_gives_way_to_the_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "SEGMENTS", 0)
    index = EdgeIndex("test", tmp_path / "test", CONTRACT, free_bytes=0)
    shutil.copytree(tmp_path / "test" / "shard" / "wal", tmp_path / "empty log")
    put(index, "published")
    shutil.copytree(tmp_path / "test", tmp_path / "after", ignore=shutil.ignore_patterns("codes*", "wal"))
    shutil.copytree(tmp_path / "empty log", tmp_path / "after" / "shard" / "wal")
    index.close()

    again = EdgeIndex("test", tmp_path / "after", CONTRACT, free_bytes=0)

    assert again.visible_versions() == {"published": 3}
    again.close()
