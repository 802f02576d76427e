"""The whole of ingestion: a document's way from a file to published points, and out again."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from embedder.encoder import Encoder
from ingest.chunk import CHUNKER_VERSION, chunk, embedded_text
from ingest.errors import IndexDamaged
from ingest.index.contract import Contract, Index
from ingest.jobs import Outcome
from ingest.ledger import Ledger
from ingest.parse import PARSER_VERSION
from ingest.records import Chunk, Document, Element

RECIPE = f"parser {PARSER_VERSION}, chunker {CHUNKER_VERSION}"
"""Part of every version's id: another recipe makes another version of the same file."""
CHUNK_SHARE = 4
"""A chunk is at most one in so many of the tokens the encoder takes: 64 for all-MiniLM, 128 for KaLM.
Longer ones lose single sentences: of the phrases of 27 English documents 97 % found their document among
10 hits at 64 tokens, 94 % at 96, 91 % at 128 (all-MiniLM, exact)."""
LONGEST_CHUNK = 128
"""Tokens; nobody measured longer ones with an encoder of a longer window."""
_BATCH = 64
"""Chunks between two writes: some seconds of work on a CPU, so stopping is quick."""

Parse = Callable[[Document], Sequence[Element]]


class Interrupted(Exception):
    """The service is stopping; the document is taken up again at the next start."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """An open collection: where its points go, who encodes them, who keeps account."""

    name: str
    index: Index
    encoder: Encoder
    ledger: Ledger
    changing: threading.RLock = field(default_factory=threading.RLock, compare=False, repr=False)
    """Held while index and ledger are brought from one state to the next."""
    writing: set[str] = field(default_factory=set, compare=False, repr=False)
    """Versions whose points are being written and are not published yet: a check leaves them alone."""


def contract_of(encoder: Encoder) -> Contract:
    """What a new collection promises: the full vector, and a prefix of about a quarter to find candidates."""
    prefixes = [dim for dim in encoder.dims if dim <= encoder.dim // 2]
    coarse = min(prefixes, key=lambda dim: abs(dim - encoder.dim // 4), default=None)
    return Contract(
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        dims=(encoder.dim, coarse) if coarse else (encoder.dim,),
        chunk_tokens=min(encoder.card.window // CHUNK_SHARE, LONGEST_CHUNK),
        recipe=RECIPE,
    )


def ingest(
    document: Document, shelf: Shelf, parse: Parse, stopping: Callable[[], bool]
) -> tuple[Outcome, int]:
    """Make `document` searchable as it is now; returns what happened and how many chunks it has.

    Points are written hidden and counted before the ledger publishes them in one transaction; only
    then does the old version go. Whatever kills the process in between, searches see one whole
    version, and the next run finishes the work. Raises IngestError if the document can't be read,
    Interrupted between two batches once `stopping()`.
    """
    version = document.version(shelf.index.contract.recipe)
    try:
        return _ingest(document, version, shelf, parse, stopping)
    finally:
        shelf.writing.discard(version)


def _ingest(
    document: Document, version: str, shelf: Shelf, parse: Parse, stopping: Callable[[], bool]
) -> tuple[Outcome, int]:
    ledger, index = shelf.ledger, shelf.index
    before = ledger.published_version(document.id)
    known = ledger.chunks_of(version)
    if before == version and known is not None:
        ledger.clear_failure(document.id)
        return "unchanged", known

    if known is None:
        chunks = _chunk(document, version, shelf, parse(document))
        with shelf.changing:
            shelf.writing.add(version)
        _write(chunks, version, shelf, stopping)
        title, language, known = chunks[0].title, main_language(chunks), len(chunks)
        outcome: Outcome = "added" if before is None else "changed"
    else:
        title, language = "", ""  # the version's row is there
        outcome = "alias" if before is None else "changed"
    with shelf.changing:
        cited_by = {row.id for row in ledger.documents_of([version]).get(version, [])}
        index.publish(version, sorted(cited_by | {document.id}))
        ledger.publish(
            document, version, title=title, language=language, chunks=known, recipe=index.contract.recipe
        )
        if before is not None:
            settle(before, shelf)
    return outcome, known


def remove(document: str, shelf: Shelf) -> None:
    """Take a document (id) out: gone for searches at once, its points right after."""
    with shelf.changing:
        version = shelf.ledger.published_version(document)
        shelf.ledger.remove_document(document)
        if version is not None:
            settle(version, shelf)


def settle(version: str, shelf: Shelf) -> None:
    """Make the index say of `version` what the ledger says: who cites it; nobody, and its points go."""
    rows = shelf.ledger.documents_of([version]).get(version)
    if rows:
        shelf.index.publish(version, [row.id for row in rows])
    else:
        shelf.index.delete(version)
        shelf.ledger.forget_version(version)


def main_language(chunks: Sequence[Chunk]) -> str:
    """The language of most chunks; "unknown" only if none is known."""
    known = Counter(chunk.language for chunk in chunks if chunk.language != "unknown")
    return known.most_common(1)[0][0] if known else "unknown"


def _chunk(document: Document, version: str, shelf: Shelf, elements: Sequence[Element]) -> list[Chunk]:
    return list(
        chunk(
            elements,
            version=version,
            name=document.source.name,
            token_spans=shelf.encoder.token_spans,
            max_tokens=shelf.index.contract.chunk_tokens,
        )
    )


def _write(chunks: Sequence[Chunk], version: str, shelf: Shelf, stopping: Callable[[], bool]) -> None:
    """Encode and write, hidden. Ids depend on version and position only, so a second try overwrites."""
    for batch in _batches(chunks):
        if stopping():
            raise Interrupted
        limit = shelf.index.contract.chunk_tokens
        texts = [embedded_text(chunk, shelf.encoder.token_spans, limit) for chunk in batch]
        vectors = shelf.encoder.encode_documents(texts)
        shelf.index.upsert(batch, vectors)
    written = shelf.index.count(version)
    if written != len(chunks):
        raise IndexDamaged(f"{len(chunks)} chunks were written to {shelf.name!r} and {written} are there")


def _batches(chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    for start in range(0, len(chunks), _BATCH):
        yield chunks[start : start + _BATCH]
