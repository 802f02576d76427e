"""What ingesting a file would do, and what would become of its text; nothing is written."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from embedder.encoder import Encoder
from ingest.chunk import chunk
from ingest.index.contract import Contract
from ingest.ledger import Described, Ledger
from ingest.records import Chunk, Document, Element, Groups

Expected = Literal["added", "changed", "unchanged", "alias"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What ingesting a file would do."""

    outcome: Expected
    """Whether the file can be read only its reading shows."""
    same_as: tuple[str, ...] = ()
    """Names of the other documents with the same content."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A file as it would be stored."""

    elements: Sequence[Element]
    chunks: Sequence[Chunk]
    tokens: Sequence[int]
    """Of each chunk's text, in the encoder's own."""
    title: str
    language: str
    """The one most of its chunks are in."""
    seconds: float
    """That chunking took."""


def forecast(
    documents: Sequence[Document], ledger: Ledger, recipe: str, groups: Groups = None
) -> Iterator[Forecast]:
    """What becomes of each of `documents`, ingested one after the other into one collection.

    What `groups` don't see does not count.
    """
    served: dict[str, str] = {}  # document id -> version, by the files before
    names: dict[str, list[tuple[str, str]]] = {}  # version -> (document id, name), by the files before
    for document in documents:
        version = document.version(recipe)
        before = served.get(document.id) or ledger.published_version(document.id)
        cited = [(row.id, row.name) for row in ledger.documents_of([version], groups).get(version, [])]
        cited += names.get(version, [])
        others = tuple(dict.fromkeys(name for id_, name in cited if id_ != document.id))
        known = bool(cited) or (groups is None and ledger.chunks_of(version) is not None)
        yield Forecast(_outcome(before, version, known=known), others)
        served[document.id] = version
        names.setdefault(version, []).append((document.id, document.source.name))


def preview(elements: Sequence[Element], name: str, encoder: Encoder, contract: Contract) -> Preview:
    """The chunks that `elements` of a file called `name` would become in a collection of `contract`."""
    begin = time.perf_counter()
    chunks = list(
        chunk(
            elements,
            version="preview",
            name=name,
            token_spans=encoder.token_spans,
            max_tokens=contract.chunking.chunk_tokens,
        )
    )
    described = Described.of(chunks, None, contract.recipe)
    return Preview(
        elements=elements,
        chunks=chunks,
        tokens=[len(encoder.token_spans(one.text)) for one in chunks],
        title=described.title,
        language=described.language,
        seconds=time.perf_counter() - begin,
    )


def _outcome(before: str | None, version: str, *, known: bool) -> Expected:
    if before == version:
        return "unchanged"
    if before is not None:
        return "changed"
    return "alias" if known else "added"
