"""The nouns of ingestion, in the order they arise: Source, Document, Element, Chunk, Hit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "kalm-rag")

ElementKind = Literal["title", "text", "list", "table", "code"]
Stage = Literal["read", "parse", "chunk", "encode", "write", "verify"]
"""What is done with a document, in this order."""


def identity(*parts: str | int) -> UUID:
    """The same parts always give the same id, on every machine.

    >>> identity("library", "file:///a.md") == identity("library", "file:///a.md")
    True
    """
    return uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Source:
    """A file to look at, before its bytes were read."""

    uri: str
    """Identity within a collection: `file:///…` for a file of a folder, `upload:NAME` for an upload."""
    name: str
    """File name as people know it; its suffix is a hint for the parser, never a promise."""
    path: Path
    """Where the bytes can be read now."""
    modified: datetime | None = None
    """When it was last changed, where its place says so and its file here does not."""


def document_id(collection: str, source: Source) -> str:
    """A document is its source: edited or moved bytes keep the id, another place is another document."""
    return str(identity("document", collection, source.uri))


Labels = Mapping[str, tuple[str, ...]]
"""What people say of a document: `{"department": ("hr",), "tag": ("a", "b")}`."""
Groups = frozenset[str] | None
"""Of whoever asks: sees what is for everybody or for one of them; None sees everything."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is said of documents as they are ingested. None leaves it as it is: nothing, for a new one."""

    labels: Labels | None = None
    access: tuple[str, ...] | None = None
    """Groups that may see it; none of them is everybody."""
    modified: datetime | None = None
    """Its own date, where that isn't its file's."""


NOTHING_GIVEN = Given()


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of a document beside its text; searches filter by it."""

    id: str
    uri: str
    ingested: datetime
    """When the content it is served from came in."""
    modified: datetime | None = None
    """Its own date; None where nobody knows it."""
    labels: Labels = field(default_factory=dict)
    access: tuple[str, ...] = ()

    def seen_by(self, groups: Groups) -> bool:
        return groups is None or not self.access or not groups.isdisjoint(self.access)


@dataclass(frozen=True, slots=True)
class Document:
    """One source as it was found: where it is, and which bytes were there."""

    collection: str
    source: Source
    content_hash: str
    """sha256 of the bytes, hex."""
    size_bytes: int
    modified: datetime | None = None
    """Its own date."""
    given: Given = NOTHING_GIVEN

    @property
    def id(self) -> str:
        return document_id(self.collection, self.source)

    def version(self, recipe: str) -> str:
        """Id of this content as parsed and chunked by `recipe`: one set of points, whoever cites it.

        The suffix counts, because the same bytes read as .md and as .txt give other chunks.
        """
        suffix = Path(self.source.name).suffix.lower()
        return str(identity("version", self.collection, self.content_hash, suffix, recipe))


@dataclass(frozen=True, slots=True)
class Element:
    """One piece the parser found, in reading order."""

    kind: ElementKind
    text: str
    depth: int = 0
    """Of a title: 0 is the top level."""
    page: int | None = None
    """1-based page, slide or sheet; None where the format has none."""
    unseen: bool = False
    """Whether nobody who looks at the document sees it: white on white, without size, off the page, …"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of a document as it looks."""

    png: bytes
    pages: int
    """How many the document has."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is embedded and shown: a run of whole sentences under one heading."""

    version: str
    position: int
    """0-based place in its document."""
    text: str
    title: str
    """Of the document."""
    heading: tuple[str, ...]
    """Path of headings above the text, outermost first, without the title."""
    page: int | None
    """1-based page of its first character; None where the format has no pages."""
    language: str
    """ISO 639-1 (zh-Hant apart), or "unknown"."""
    unseen: bool = False
    """As `Element.unseen`; a chunk is of one kind or the other."""

    @property
    def id(self) -> str:
        """Never depends on the vector, so writing twice changes nothing."""
        return _point(self.version, self.position)


@lru_cache(maxsize=10_000)  # a search compares some hundred again and again
def _point(version: str, position: int) -> str:
    return str(identity("point", version, position))


@dataclass(frozen=True, slots=True)
class Hit:
    """A found chunk."""

    chunk: Chunk
    score: float
    """Cosine similarity, -1 to 1, higher is nearer."""
