"""The xml of docx and pptx by local names: the same elements come in two namespaces, old and strict."""

import posixpath
import zipfile
from functools import lru_cache
from typing import Any

from ingest.parse.archive import xml_part


def local(part: Any) -> str:
    """An element's name without its namespace; "" for comments and instructions."""
    return _without_namespace(part.tag)


@lru_cache(1024)
def _without_namespace(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(part: Any, name: str) -> Any | None:
    """The first child of that local name."""
    return next((each for each in part if local(each) == name), None)


def attribute(part: Any, name: str) -> str | None:
    """Of the element's own namespace: Word qualifies its attributes."""
    tag: str = part.tag
    found: str | None = part.get(tag[: tag.rfind("}") + 1] + name)
    return found


def value(part: Any | None, name: str = "val") -> str:
    """The attribute of an element that may not be there, "" then."""
    return (attribute(part, name) or "") if part is not None else ""


def related(archive: zipfile.ZipFile, part: str, name: str) -> list[tuple[str, str, str]]:
    """Id, kind (`slide`, `notesSlide`, …) and path of the archive's parts that `part` refers to."""
    folder, file = posixpath.split(part)
    about = f"{folder}/_rels/{file}.rels"
    if about not in archive.namelist():
        return []
    return [
        (
            each.get("Id", ""),
            each.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))[1:],
        )
        for each in xml_part(archive, about, name)
        if each.get("TargetMode") != "External"
    ]
