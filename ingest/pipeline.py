"""The whole of ingestion: a document's way from a file to published points, and out again."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

import embedder
from embedder.encoder import Encoder, Vectors
from embedder.errors import UnsupportedModel
from embedder.reranker import Reranker
from ingest import labels, lexical, likeness, windows
from ingest.analysis import ANALYSIS_VERSION
from ingest.chunk import CHUNKER_VERSION, TokenSpans, chunk
from ingest.errors import IndexDamaged, NotPossible
from ingest.index.contract import Chunking, Compression, Contract, Funnel, Index
from ingest.jobs import Outcome
from ingest.ledger import Described, Ledger
from ingest.parse import PARSER_VERSION
from ingest.records import NOTHING_GIVEN, Chunk, Document, Element, Given, Groups, Stage
from ingest.sentences import sentences

RECIPE = f"parser {PARSER_VERSION}, chunker {CHUNKER_VERSION}, terms {ANALYSIS_VERSION}"
"""Part of every version's id: another recipe makes another version of the same file."""
WINDOW_SHARE = 4
"""A window is at most one in so many of the tokens the encoder takes: 64 for all-MiniLM, 128 for KaLM.
Longer ones lose single sentences: of the phrases of 27 English documents 97 % found their document among
10 hits at 64 tokens, 94 % at 96, 91 % at 128 (all-MiniLM, exact)."""
LONGEST_WINDOW = 128
"""Tokens; nobody measured longer ones with an encoder of a longer window."""
CHUNK_WINDOWS = 2
"""Windows in a chunk: of what is read first, most has the answer so (docs/long-texts.md)."""
_BATCH = 64
"""Chunks between two writes: some seconds of work on a CPU, so stopping is quick."""

FEWEST_TOKENS = 16
"""Of a window: a shorter one holds no sentence."""
_TELLING = 500
"""Chunks at its beginning by which a document is known to be like another: about a megabyte of text, which
takes 50 times as much memory for a moment."""
_TRIES = 3
"""Until a document's points must have stayed."""

Parse = Callable[[Document], Sequence[Element]]
R = TypeVar("R")


class Interrupted(Exception):
    """The service is stopping; the document is taken up again at the next start."""


class Moved(Exception):
    """The collection is served from another index by now: open it again, and do the same there."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """An open collection: where its points go, who encodes them, who keeps account."""

    name: str
    index: Index
    encoder: Encoder
    ledger: Ledger
    funnel: Funnel | None = None
    """How searches find their candidates, once it was tuned."""
    reranker: Reranker | None = None
    """Reads the first candidates of searches once more."""
    sees: Groups = None
    """Whose view of it this is: searches find what these groups see. Ingestion and admins see everything."""
    changing: threading.RLock = field(default_factory=threading.RLock, compare=False, repr=False)
    """Held while index and ledger are brought from one state to the next."""
    writing: set[str] = field(default_factory=set, compare=False, repr=False)
    """Versions that are being ingested: a check leaves them alone."""
    written: threading.Condition = field(default_factory=threading.Condition, compare=False, repr=False)
    retired: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)
    """Set once the collection is served from another index: searches that began here still end here."""

    @contextmanager
    def writes(self, version: str) -> Iterator[None]:
        """Only one thread ingests a version at a time: a copy of the same content finds it done. Raises
        Moved."""
        with self.written:
            self.written.wait_for(lambda: version not in self.writing)
            self._require_served()
            self.writing.add(version)
        try:
            yield
        finally:
            with self.written:
                self.writing.discard(version)
                self.written.notify_all()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Nobody else brings index and ledger from one state to the next meanwhile. Raises Moved."""
        with self.changing:
            self._require_served()
            yield

    def _require_served(self) -> None:
        if self.retired.is_set():
            raise Moved


def on_shelf(open_shelf: Callable[[], Shelf], act: Callable[[Shelf], R]) -> R:
    """What `act` does with an open collection, done again with the next one if it moves meanwhile."""
    while True:
        try:
            return act(open_shelf())
        except Moved:
            continue


def contract_of(
    encoder: Encoder, chunking: Chunking | None = None, dims: Sequence[int] | None = None
) -> Contract:
    """What a new collection promises.

    `dims`: prefixes stored beside the full vector; without, one of about a quarter, to find candidates.
    Raises NotPossible for what the encoder can't do.
    """
    chunking = chunking or default_chunking(encoder)
    _check_chunking(chunking, encoder)
    unknown = [dim for dim in dims or () if dim not in encoder.dims]
    if unknown:
        known = ", ".join(map(str, encoder.dims))
        raise NotPossible(f"{encoder.name} has {known} dims, not {', '.join(map(str, unknown))}")
    prefixes = _default_prefix(encoder) if dims is None else dims
    widths = sorted({encoder.dim, *prefixes}, reverse=True)
    return Contract(
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
        dims=tuple(widths),
        chunking=chunking,
        recipe=RECIPE,
        compression=Compression(widths[-1], "int8"),
    )


def _default_prefix(encoder: Encoder) -> list[int]:
    prefixes = [dim for dim in encoder.dims if dim <= encoder.dim // 2]
    return sorted(prefixes, key=lambda dim: abs(dim - encoder.dim // 4))[:1]


def _check_chunking(chunking: Chunking, encoder: Encoder) -> None:
    if not FEWEST_TOKENS <= chunking.window_tokens <= min(chunking.chunk_tokens, encoder.card.max_tokens):
        raise NotPossible(
            f"windows of {chunking.window_tokens} tokens in chunks of {chunking.chunk_tokens}: a window has "
            f"at least {FEWEST_TOKENS} tokens, and at most as many as its chunk and as {encoder.name} reads "
            f"({encoder.card.max_tokens})"
        )
    if chunking.mode == "late":
        try:
            encoder.encode_spans("late", [(0, 4)])
        except UnsupportedModel as error:
            raise NotPossible(f"{encoder.name} can't chunk late ({error}): take mode 'windows'") from error


def default_chunking(encoder: Encoder) -> Chunking:
    """Passages long enough to read, windows short enough to be found (docs/long-texts.md)."""
    window = min(encoder.card.window // WINDOW_SHARE, LONGEST_WINDOW)
    return Chunking("windows", CHUNK_WINDOWS * window, window)


class Watch(Protocol):
    """Told of every stage of a document as it begins, and of the work in it."""

    def enter(self, stage: Stage) -> None:
        """Raises Interrupted if the service is stopping."""
        ...

    def add(self, work: int) -> None:
        """Elements, chunks, tokens or points, by the stage it was entered for."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a document."""

    outcome: Outcome
    chunks: int
    note: str | None = None
    """What an admin should know although it went well."""


def ingest(document: Document, shelf: Shelf, parse: Parse, watch: Watch) -> Report:
    """Make `document` searchable as it is now.

    Points are written hidden and counted before the ledger publishes them in one transaction; only
    then does the old version go. Whatever kills the process in between, searches see one whole
    version, and the next run finishes the work. Raises IngestError if the document can't be read,
    StoreError if nothing can be written now, Interrupted once the service is stopping, Moved.
    """
    version = document.version(shelf.index.contract.recipe)
    with shelf.writes(version):
        return _ingest(document, version, shelf, parse, watch)


def _ingest(document: Document, version: str, shelf: Shelf, parse: Parse, watch: Watch) -> Report:
    if report := recognise(document, version, shelf):
        return report
    watch.enter("parse")
    elements = parse(document)
    watch.add(len(elements))
    watch.enter("chunk")
    chunks, described = cut(document, version, elements, shelf.encoder.token_spans, shelf.index.contract)
    watch.add(len(chunks))
    notes = twins(document, described, shelf)
    if unseen := sum(chunk.unseen for chunk in chunks):
        notes.append(f"{unseen} of its {len(chunks)} passages are hidden from those who look at it")
    for _ in range(_TRIES):
        _write(chunks, shelf, watch)
        if outcome := publish(document, version, shelf, described):
            break
    else:
        raise IndexDamaged(f"{len(chunks)} chunks of {document.source.name} do not stay in {shelf.name!r}")
    watch.enter("verify")
    if not _finds_itself(chunks, shelf):
        notes.append("a sentence of its own does not find it: many others may be like it")
    return Report(outcome, len(chunks), "; ".join(notes) or None)


def recognise(document: Document, version: str, shelf: Shelf) -> Report | None:
    """What became of a document whose content is published already; None if there is work to do."""
    known = shelf.ledger.chunks_of(version)
    if known is None:
        return None
    if shelf.ledger.published_version(document.id) == version:
        shelf.ledger.clear_failure(document.id)
        _say_again(document, shelf)
        return Report("unchanged", known)
    outcome = publish(document, version, shelf, None)
    return Report(outcome, known) if outcome else None


def twins(document: Document, described: Described, shelf: Shelf) -> list[str]:
    """In words, which other document has nearly the same text."""
    alike = shelf.ledger.alike(document.collection, described.likeness, document.id)
    return [f"nearly the same text as {twin}" for twin in alike[:1]]


def publish(
    document: Document, version: str, shelf: Shelf, described: Described | None
) -> Literal["added", "changed", "alias"] | None:
    """Show the version's points, then take the old ones away; `described` is None if it is known already.

    None if points are missing: another document let go of the same content meanwhile, and they went along.
    """
    with shelf.change():
        before = shelf.ledger.published_version(document.id)
        known = shelf.ledger.chunks_of(version)
        if shelf.index.count(version) != (described.chunks if described else known):
            return None
        said = {row.id: row.said for row in shelf.ledger.documents_of([version]).get(version, [])}
        said[document.id] = shelf.ledger.expected(document)
        shelf.index.publish(version, said, labels.beside(said.values()))
        shelf.ledger.publish(document, version, described)
        if before is not None and before != version:
            settle(before, shelf)
    return "changed" if before else "added" if known is None else "alias"


def remove(document: str, shelf: Shelf) -> None:
    """Take a document (id) out: gone for searches at once, its points right after. Raises Moved."""
    with shelf.change():
        version = shelf.ledger.published_version(document)
        shelf.ledger.remove_document(document)
        if version is not None:
            settle(version, shelf)


def settle(version: str, shelf: Shelf) -> None:
    """Make the index say of `version` what the ledger says: who cites it; nobody, and its points go."""
    rows = shelf.ledger.documents_of([version]).get(version)
    if rows:
        shelf.index.publish(version, [row.id for row in rows], labels.beside([row.said for row in rows]))
    else:
        shelf.index.delete(version)
        shelf.ledger.forget_version(version)


def relabel(documents: Sequence[str], given: Given, shelf: Shelf) -> None:
    """Say something else of documents (ids): it holds from here on, and nothing is encoded.

    What becomes hidden is so at once: the ledger decides. What becomes findable is, once the index says so.
    Raises Moved.
    """
    with shelf.change():
        _label(shelf.ledger.relabel(shelf.name, documents, given), shelf)


def catch_up(shelf: Shelf) -> int:
    """Let points say what is said of their documents, where a stop or an older version of kalm-rag left
    them behind; how many versions were."""
    with shelf.changing:
        behind = shelf.ledger.unlabelled(shelf.name)
        _label(behind, shelf)
    return len(behind)


def _label(versions: Sequence[str], shelf: Shelf) -> None:
    """The disk is waited for once: a stop before it leaves them to `catch_up`."""
    cited = shelf.ledger.documents_of(versions)
    for version in versions:
        if version not in cited:
            settle(version, shelf)
    for number, (version, rows) in enumerate(cited.items(), 1):
        beside = labels.beside([row.said for row in rows])
        shelf.index.publish(version, [row.id for row in rows], beside, durable=number == len(cited))
    shelf.ledger.labelled(versions)


def _say_again(document: Document, shelf: Shelf) -> None:
    """What is given with unchanged content; a file's date may have changed as well."""
    given = document.given
    if document.modified is not None and given.modified is None:
        given = replace(given, modified=document.modified)
    if given != NOTHING_GIVEN:
        relabel([document.id], given, shelf)


def cut(
    document: Document,
    version: str,
    elements: Sequence[Element],
    token_spans: TokenSpans,
    contract: Contract,
) -> tuple[list[Chunk], Described]:
    """The chunks of a document, and what the ledger keeps of their text."""
    chunks = list(
        chunk(
            elements,
            version=version,
            name=document.source.name,
            token_spans=token_spans,
            max_tokens=contract.chunking.chunk_tokens,
        )
    )
    bits = likeness.fingerprint("\n".join(one.text for one in chunks[:_TELLING]))
    return chunks, Described.of(chunks, bits, contract.recipe)


def _write(chunks: Sequence[Chunk], shelf: Shelf, watch: Watch) -> None:
    """Encode and write, hidden. Ids depend on version and position only, so a second try overwrites."""
    for batch in batches(chunks):
        watch.enter("encode")
        vectors, tokens = encode(batch, shelf.encoder, shelf.index.contract)
        watch.add(tokens)
        watch.enter("write")
        write(batch, vectors, shelf.index)
        watch.add(len(batch))


def encode(chunks: Sequence[Chunk], encoder: Encoder, contract: Contract) -> tuple[list[Vectors], int]:
    """The vectors of one batch of a document, each `(windows, dim)`; and how many tokens it has."""
    vectors = windows.encode(chunks, encoder, contract.chunking)
    return vectors, sum(len(encoder.token_spans(chunk.text)) for chunk in chunks)


def write(chunks: Sequence[Chunk], vectors: Sequence[Vectors], index: Index) -> None:
    """Hidden; what is there already is overwritten by the same."""
    index.upsert(chunks, vectors, lexical.encode_documents([_words(chunk) for chunk in chunks]))


def _words(chunk: Chunk) -> str:
    """What a lexical search looks through."""
    return "\n".join((chunk.title, *chunk.heading[-1:], chunk.text))


def _finds_itself(chunks: Sequence[Chunk], shelf: Shelf) -> bool:
    """Whether one of three sentences of a document has it among its 10 hits."""
    version = chunks[0].version
    for chosen in (chunks[len(chunks) // 2], chunks[-1], chunks[0]):
        begin, end = max(sentences(chosen.text), key=lambda span: span[1] - span[0])
        sentence, _ = embedder.fit(chosen.text[begin:end], shelf.encoder)
        hits = shelf.index.search(shelf.encoder.encode_documents([sentence])[0], limit=10)
        if any(hit.chunk.version == version for hit in hits):
            return True
    return False


def batches(chunks: Sequence[Chunk]) -> Iterator[Sequence[Chunk]]:
    """What is encoded and written at once."""
    for start in range(0, len(chunks), _BATCH):
        yield chunks[start : start + _BATCH]
