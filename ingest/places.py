"""Where a job looks and which files there are meant: a folder, a file, a URL or a store, and globs."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

Kind = Literal["path", "url", "store"]

INSIDE = "!/"
"""Between an archive's URI and a path inside of it. No other URI holds it: `!` is quoted everywhere else."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Globs over paths below a root: `*` and `?` stay within a name, `**` is any number of folders.

    A pattern without a slash means a name at any depth, one that names a folder all that is in it:
    `*.pdf`, `drafts/`, `reports/**/20??/*.md`, `/top.md`.
    """

    include: tuple[str, ...] = ()
    """None given: everything."""
    exclude: tuple[str, ...] = ()
    """Stronger than `include`."""

    def __contains__(self, path: str) -> bool:
        return not self.leaves_out(path) and (
            not self.include or any(_matches(pattern, path) for pattern in self.include)
        )

    def leaves_out(self, path: str) -> bool:
        """Whether a file, or a folder with all that is in it, is excluded."""
        return any(_matches(pattern, path) for pattern in self.exclude)


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Place:
    """A root and what is meant below it."""

    root: str
    """An absolute path, `https://…`, or `s3://bucket/prefix` and the like."""
    selection: Selection = EVERYTHING

    @property
    def scheme(self) -> str:
        """Lower case; "" for a path."""
        found = _SCHEME.match(self.root)
        return found[1].lower() if found else ""

    @property
    def kind(self) -> Kind:
        return "path" if not self.scheme else "url" if self.scheme in {"http", "https"} else "store"

    @property
    def uri(self) -> str:
        """What the URIs of its documents begin with."""
        if self.kind == "path":
            return Path(self.root).as_uri()
        if self.kind == "url":
            return self.root
        return store_uri(self.scheme, self.root.partition("://")[2])

    def covers(self, uri: str) -> bool:
        """Whether a document of this URI comes from here, so that a sync may take it out."""
        file = uri.partition(INSIDE)[0]
        if file == self.uri:
            return True
        prefix = self.uri if self.uri.endswith("/") else f"{self.uri}/"
        return file.startswith(prefix) and unquote(file[len(prefix) :]) in self.selection


def store_uri(scheme: str, path: str) -> str:
    """The identity of a store's object: `s3://bucket/a%20name.md`."""
    return f"{scheme}://{quote(path.strip('/'))}"


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> tuple[str, ...]:
    """A pattern's names, free to begin at any depth unless a slash anchors it."""
    names = tuple(name for name in pattern.split("/") if name)
    anchored = "/" in pattern.rstrip("/")
    # brackets are taken as they stand: names with `[1]` are more common than sets of characters
    return tuple(name.replace("[", "[[]") for name in (names if anchored else ("**", *names)))


def _matches(pattern: str, path: str) -> bool:
    """Whether the pattern fits the path or a folder above it; takes time linear in both."""
    names = path.split("/")
    ends = {0}  # how many names of the path the pattern may have used so far
    parts = _parts(pattern)
    for number, part in enumerate(parts):
        if part == "**":
            begin = min(ends, default=len(names)) + (number == len(parts) - 1)
            ends = set(range(begin, len(names) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(names) and fnmatchcase(names[end], part)}
    return bool(ends)
