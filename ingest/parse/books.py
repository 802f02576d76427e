"""epub -> elements, from the xml inside of its zip, without pandoc."""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.errors import PasswordProtected, UnreadableFile
from ingest.parse.archive import read_part, xml_part
from ingest.parse.decode import decode
from ingest.parse.html import read_html
from ingest.records import Element

_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_ENCRYPTION = "META-INF/encryption.xml"
_HTML_TYPES = ("application/xhtml+xml", "text/html")


def read_epub(path: Path, name: str) -> list[Element]:
    """The chapters in the order of the spine, under the book's title."""
    with zipfile.ZipFile(path) as archive:
        rootfile = xml_part(archive, "META-INF/container.xml", name).find(f".//{_CONTAINER}rootfile")
        if rootfile is None:
            raise UnreadableFile(f"{name} is not a whole epub: its container names no book")
        opf = rootfile.get("full-path")
        package = xml_part(archive, opf, name)
        title = (package.findtext(f".//{_DC}title") or "").strip()
        chapters = list(_spine(package, posixpath.dirname(opf)))
        if locked := _locked(archive, name) & set(chapters):
            raise PasswordProtected(
                f"{name} is protected against copying ({len(locked)} of {len(chapters)} chapters "
                "are encrypted): get a copy without protection"
            )
        found: list[Element] = []
        for chapter in chapters:
            data = read_part(archive, chapter, name)
            if data.strip():
                elements = read_html(decode(data, name), name)
                found += [_one_deeper(element) for element in elements if element.text != title]
    return [Element("title", title), *found] if title and found else found


def _locked(archive: zipfile.ZipFile, name: str) -> set[str]:
    """Members that are encrypted; many books encrypt only their fonts."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    references = xml_part(archive, _ENCRYPTION, name).iter("{*}CipherReference")
    return {unquote(reference.get("URI") or "") for reference in references}


def _spine(package: Any, folder: str) -> Iterator[str]:
    manifest = {
        item.get("id"): item.get("href")
        for item in package.iter(f"{_OPF}item")
        if item.get("media-type") in _HTML_TYPES and "nav" not in (item.get("properties") or "").split()
    }
    for reference in package.iter(f"{_OPF}itemref"):
        if href := manifest.get(reference.get("idref")):
            yield posixpath.normpath(posixpath.join(folder, unquote(href)))


def _one_deeper(element: Element) -> Element:
    if element.kind != "title":
        return element
    return Element("title", element.text, depth=element.depth + 1)
