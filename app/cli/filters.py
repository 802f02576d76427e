"""Options that several commands share: which passages may be found, and what is said of documents."""

from dataclasses import asdict, dataclass
from typing import Any

from tyro.conf import UseAppendAction

Several = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class Narrow:
    """Which passages may be found: all of it must hold."""

    language: Several = ()
    """Passages in this language (en, de, zh …). Each of these may be given more than once."""
    document: Several = ()
    """Of this document, by its id."""
    source: Several = ()
    """From this folder, archive, site or file: `/srv/papers`, `https://example.org/docs`, `upload:NAME`."""
    where: Several = ()
    """Field or label, as KEY=VALUE: `department=hr`, `page=7`, `title=Handbook`."""
    since: str = ""
    """The document's own date, from this day on: 2024-01-31."""
    until: str = ""
    """Up to the end of this day."""
    ingested_since: str = ""
    ingested_until: str = ""

    def fields(self) -> dict[str, Any]:
        """As a request has them."""
        return {
            "languages": list(self.language),
            "documents": list(self.document),
            "sources": list(self.source),
            "fields": pairs(self.where, "--where"),
            "modified": _period(self.since, self.until),
            "ingested": _period(self.ingested_since, self.ingested_until),
        }


@dataclass(frozen=True)
class Listing:
    """How many passages, and in which way."""

    limit: int = 5
    """Passages, or documents."""
    offset: int = 0
    """So many of them are passed over."""
    by_document: bool = False
    """Show each document once, by its best passage."""
    diversity: float = 0.0
    """0 to 1: above 0, what is unlike the hits before it moves up."""
    dim: int | None = None
    """Width of the vectors to search with; the full one if not given."""
    exact: bool = False
    """Compare with every full vector."""
    explain: bool = False
    """Say how the hits were found."""

    def fields(self) -> dict[str, Any]:
        """As a request has them."""
        said = asdict(self)
        said["group"] = "document" if said.pop("by_document") else None
        return said


@dataclass(frozen=True)
class Say:
    """What is said of documents; what is not given stays as it is."""

    label: Several = ()
    """KEY=VALUE, found again by `--where`; in place of all labels they had. May be given more than once."""
    access: Several = ()
    """A group whose keys may see them; `everybody` takes a restriction back. May be given more than once."""
    modified: str = ""
    """Their own date, where it isn't their files': 2024-01-31."""

    def fields(self) -> dict[str, Any]:
        """As a request has them."""
        access = [group for group in self.access if group != "everybody"]
        return {
            "labels": pairs(self.label, "--label") or None,
            "access": access if self.access else None,
            "modified": self.modified or None,
        }


def pairs(given: tuple[str, ...], option: str) -> dict[str, list[str]]:
    """`KEY=VALUE`s by their keys."""
    found: dict[str, list[str]] = {}
    for pair in given:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ValueError(f"{option} {pair!r}? Say KEY=VALUE")
        found.setdefault(key, []).append(value)
    return found


def _period(since: str, until: str) -> dict[str, str | None] | None:
    return {"since": since or None, "until": until or None} if since or until else None
