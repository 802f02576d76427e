"""What an index promises, whichever engine keeps it; and what a collection promises about its vectors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from embedder.encoder import Vectors
from ingest.errors import IndexDamaged
from ingest.lexical import SparseVector
from ingest.records import Chunk, Groups, Hit


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a collection's texts become vectors; chosen when it is made."""

    mode: Literal["windows", "late"]
    """`windows`: each is encoded by itself; `late`: pooled from its text read as a whole."""
    chunk_tokens: int
    """Longest chunk, in the encoder's own tokens: what is found, shown and quoted."""
    window_tokens: int
    """Longest part of a chunk with a vector of its own."""


Quantisation = Literal["none", "int8", "binary"]
"""How a number is kept in a code: as float16, in a byte, in a bit."""


@dataclass(frozen=True, slots=True)
class Compression:
    """The codes that find candidates for the full vector, kept beside it and in memory."""

    dim: int
    """The prefix that is compressed."""
    quantisation: Quantisation


@dataclass(frozen=True, slots=True)
class Contract:
    """How a collection's vectors were made; checked at every opening. Another encoder is refused."""

    encoder: str
    """Name of the model, as people know it."""
    fingerprint: str
    """Of the encoder: weights, tokenizer, pooling, prompts."""
    dims: tuple[int, ...]
    """Widths stored as named vectors, longest first: the full vector, then the coarse prefix."""
    chunking: Chunking
    recipe: str
    """Version of parser and chunker; part of every version id."""
    compression: Compression | None = None
    """None: candidates are found by the stored prefixes themselves."""

    @classmethod
    def read(cls, fields: Mapping[str, Any], where: str) -> "Contract":
        """From what `asdict` made of one. Raises IndexDamaged, naming `where`."""
        try:
            chunking = Chunking(**fields["chunking"])
            kept = fields.get("compression")
            compression = Compression(**kept) if kept else None
            known = {"dims": tuple(fields["dims"]), "chunking": chunking, "compression": compression}
            return cls(**{**fields, **known})
        except (TypeError, KeyError) as error:
            raise IndexDamaged(
                f"{where} is of another version of kalm-rag ({error}): delete the collection, ingest again"
            ) from error


@dataclass(frozen=True, slots=True)
class Funnel:
    """How candidates for the full vector are found."""

    dim: int
    """The stored prefix that finds them."""
    candidates: int
    """How many, for ten results."""
    quantisation: Quantisation | None = None
    """Of the codes that find them; None: the prefix as the engine stores it."""


@dataclass(frozen=True, slots=True)
class Between:
    """From one time to another, both included; None is open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """What a search may return: all of it must hold. An empty field does not filter.

    What documents decide (groups, documents, sources, labels, times) holds for all documents of the same
    text together: `ingest.labels.fits` tells them apart.
    """

    languages: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    """Document ids."""
    groups: Groups = None
    sources: tuple[str, ...] = ()
    """URIs of documents, or of what they are in."""
    labels: tuple[tuple[str, ...], ...] = ()
    """`key=value`; one of each group must be there."""
    modified: Between | None = None
    ingested: Between | None = None
    fields: tuple[tuple[str, tuple[str | int, ...]], ...] = ()
    """Fields of a passage, and what each may be."""
    not_versions: tuple[str, ...] = ()
    not_points: tuple[str, ...] = ()
    """Ids of chunks."""


EVERYTHING = Where()


@dataclass(frozen=True, slots=True)
class Beside:
    """What the documents that cite a version say of it, all together."""

    access: tuple[str, ...] = ()
    """Groups that may see it; none is everybody."""
    labels: tuple[str, ...] = ()
    """`key=value`."""
    within: tuple[str, ...] = ()
    """URIs of the documents, and of all they are in."""
    modified: tuple[int, ...] = ()
    ingested: tuple[int, ...] = ()
    """Seconds since 1970."""


NOTHING_BESIDE = Beside()


class Index(Protocol):
    """One open collection: points written hidden, shown by `publish`, found by `search`.

    Safe to call from several threads.
    """

    contract: Contract
    has_own_quantisation: bool
    """Whether the engine makes and searches the codes by itself: what they cost can't be told before."""

    def upsert(
        self, chunks: Sequence[Chunk], vectors: Sequence[Vectors], terms: Sequence[SparseVector]
    ) -> None:
        """Write points, hidden; `vectors` of each chunk are `(windows, full width)`, prefixes are cut here.

        `terms` of each are for `search_terms`.

        Durable when it returns. Raises DiskFull before the disk is full, ValueError for vectors
        that are not finite, not of length 1 or not of the contract's width.
        """
        ...

    def publish(
        self,
        version: str,
        documents: Iterable[str],
        beside: Beside = NOTHING_BESIDE,
        *,
        durable: bool = True,
    ) -> None:
        """Show the points of `version`, cited as `documents` (ids), and found by what is `beside` them.

        What is not `durable` may be undone by a power cut until the next one that is: most of the time it
        takes is the disk's.
        """
        ...

    def delete(self, version: str) -> None:
        """Remove every point of `version`; none there is fine."""
        ...

    def count(self, version: str | None = None) -> int:
        """Points of one version, or of all, hidden ones included."""
        ...

    def versions(self) -> Mapping[str, int]:
        """Every version that has points, and how many, hidden ones included."""
        ...

    def visible_versions(self) -> Mapping[str, int]:
        """Every version that a search can find, and by how many points."""
        ...

    def search(
        self,
        vector: Vectors,
        *,
        limit: int,
        offset: int = 0,
        dim: int | None = None,
        exact: bool = False,
        funnel: Funnel | None = None,
        where: Where = EVERYTHING,
    ) -> list[Hit]:
        """The nearest published chunks to `vector` `(full width,)`, best first.

        At full width this is a funnel: codes or a stored prefix pick candidates (as `funnel` says; without,
        codes where there are many points, else the smallest prefix), the full vector orders them; `exact`
        skips the funnel. A smaller stored `dim` searches that prefix alone. Raises UnknownDim for a width
        that is not stored.
        """
        ...

    def add_dim(self, dim: int) -> None:
        """Store one more prefix, cut from the stored full vectors; searches and writes go on meanwhile.

        Nothing is encoded. Killed in between, it can be called again.
        """
        ...

    def drop_dim(self, dim: int) -> None:
        """Stop storing a prefix. Raises ValueError for the full width."""
        ...

    def order(self, vector: Vectors, ids: Sequence[str], *, limit: int) -> list[Hit]:
        """Published chunks among `ids`, nearest to `vector` `(full width,)` first."""
        ...

    def all_vectors(self) -> Iterator[tuple[list[str], list[Vectors]]]:
        """Ids and full vectors, each `(windows, full width)`, of all points, some at a time."""
        ...

    def compress(self, compression: Compression | None) -> None:
        """Keep these codes from now on, made from the stored full vectors, or none.

        Searches and writes go on meanwhile; nothing is encoded. Killed in between, those before are kept.
        """
        ...

    def finder(self, funnel: Funnel | None) -> Funnel:
        """What a search at full width finds candidates by, where filters leave it enough: codes have a
        quantisation, a stored prefix has none."""
        ...

    def search_terms(self, terms: SparseVector, *, limit: int, where: Where = EVERYTHING) -> list[Hit]:
        """The published chunks that share terms with a query, by BM25, best first.

        The IDF is the collection's; scores are sums over the query's terms and mean nothing across queries.
        """
        ...

    def vectors(self, points: Sequence[str]) -> Mapping[str, Vectors]:
        """The full vectors `(windows, full width)` of chunks by their ids; one that is gone is left out."""
        ...

    def chunks(self, version: str) -> list[Chunk]:
        """All chunks of a version in reading order."""
        ...

    def languages(self) -> Mapping[str, int]:
        """Published chunks per language."""
        ...

    def close(self) -> None: ...


def payload(chunk: Chunk) -> dict[str, Any]:
    """The chunk as stored beside its vectors; `documents` empty means hidden."""
    return {
        "version": chunk.version,
        "position": chunk.position,
        "text": chunk.text,
        "title": chunk.title,
        "heading": list(chunk.heading),
        "page": chunk.page,
        "language": chunk.language,
        "documents": [],
        **({"unseen": True} if chunk.unseen else {}),
    }


def chunk_from(payload: Mapping[str, Any]) -> Chunk:
    """The chunk that `payload` was made from."""
    return Chunk(
        version=payload["version"],
        position=payload["position"],
        text=payload["text"],
        title=payload["title"],
        heading=tuple(payload["heading"]),
        page=payload["page"],
        language=payload["language"],
        unseen=payload.get("unseen", False),
    )
