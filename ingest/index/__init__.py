"""The only place that speaks Qdrant: an engine in this process, or a server."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.index import schema
from ingest.index.contract import Contract, Index

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["Location", "drop_index", "open_index", "stored_contract"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where the points are kept."""

    folder: Path
    """Of the engine in this process: one folder per collection in it."""
    url: str | None = None
    """Of a Qdrant server; None for the engine in this process."""
    api_key: str | None = None

    def describe(self) -> str:
        """In words, as shown to people."""
        return f"Qdrant server at {self.url}" if self.url else "Qdrant Edge, in the service"


def open_index(
    name: str, contract: Contract, location: Location, *, free_bytes: int = schema.FREE_BYTES
) -> Index:
    """Open a collection, or make it for `contract`.

    The stored contract must be of the same encoder, else WrongEncoder is raised. A new recipe is
    taken over: it gives other version ids, so the next ingestion renews the documents one by one.
    """
    if location.url is not None:
        from ingest.index.server import ServerIndex

        return ServerIndex(name, _client(location.url, location.api_key), contract)
    from ingest.index.edge import EdgeIndex

    return EdgeIndex(name, location.folder / name, contract, free_bytes)


def stored_contract(name: str, location: Location) -> Contract | None:
    """What a collection promises, whoever built it; None if there is no such collection."""
    if location.url is not None:
        from ingest.index import server

        return server.read_contract(_client(location.url, location.api_key), name)
    from ingest.index import edge

    return edge.read_contract(location.folder / name)


def drop_index(name: str, location: Location) -> None:
    """Remove a closed collection with all its points; none there is fine."""
    if location.url is not None:
        from ingest.index import server

        server.drop(_client(location.url, location.api_key), name)
        return
    folder = location.folder / name
    (folder / "contract.json").unlink(missing_ok=True)  # first: what is left can't be taken for a collection
    shutil.rmtree(folder, ignore_errors=True)


@lru_cache
def _client(url: str, api_key: str | None) -> "QdrantClient":
    from ingest.index.server import connect

    return connect(url, api_key)
