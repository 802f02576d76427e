"""epub and odt -> elements, from the xml inside of their zip, without pandoc."""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from ingest.errors import PasswordProtected, UnreadableFile
from ingest.parse.decode import decode
from ingest.parse.markup import read_html
from ingest.parse.tables import rows_to_elements
from ingest.records import Element

_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_ENCRYPTION = "META-INF/encryption.xml"
_HTML_TYPES = ("application/xhtml+xml", "text/html")


def read_epub(path: Path, name: str) -> list[Element]:
    """The chapters in the order of the spine, under the book's title."""
    with zipfile.ZipFile(path) as archive:
        rootfile = _xml(archive, "META-INF/container.xml", name).find(f".//{_CONTAINER}rootfile")
        if rootfile is None:
            raise UnreadableFile(f"{name} is not a whole epub: its container names no book")
        opf = rootfile.get("full-path")
        package = _xml(archive, opf, name)
        title = (package.findtext(f".//{_DC}title") or "").strip()
        chapters = list(_spine(package, posixpath.dirname(opf)))
        if locked := _locked(archive, name) & set(chapters):
            raise PasswordProtected(
                f"{name} is protected against copying ({len(locked)} of {len(chapters)} chapters "
                "are encrypted): get a copy without protection"
            )
        found: list[Element] = []
        for chapter in chapters:
            data = _member(archive, chapter, name)
            if data.strip():
                elements = read_html(decode(data, name), name)
                found += [_one_deeper(element) for element in elements if element.text != title]
    return [Element("title", title), *found] if title and found else found


def read_odt(path: Path, name: str) -> list[Element]:
    """Headings, paragraphs, lists and tables of a text document."""
    with zipfile.ZipFile(path) as archive:
        return list(_odt_elements(_xml(archive, "content.xml", name)))


def _locked(archive: zipfile.ZipFile, name: str) -> set[str]:
    """Members that are encrypted; many books encrypt only their fonts."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    references = _xml(archive, _ENCRYPTION, name).iter("{*}CipherReference")
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


def _odt_elements(root: Any) -> Iterator[Element]:
    for element in root.iter(f"{_TEXT}h", f"{_TEXT}p", f"{_TABLE}table"):
        above = {parent.tag for parent in element.iterancestors()}
        if f"{_TABLE}table" in above:
            continue
        if element.tag == f"{_TABLE}table":
            rows = (
                [_content(cell) for cell in row.iter(f"{_TABLE}table-cell")]
                for row in element.iter(f"{_TABLE}table-row")
            )
            yield from rows_to_elements(rows)
        elif text := _content(element):
            if element.tag == f"{_TEXT}h":
                yield Element("title", text, depth=int(element.get(f"{_TEXT}outline-level", "1")) - 1)
            else:
                yield Element("list" if f"{_TEXT}list" in above else "text", text)


def _content(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _xml(archive: zipfile.ZipFile, member: str, name: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(_member(archive, member, name), parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableFile(f"{name}: its part {member} is damaged ({error})") from error


def _member(archive: zipfile.ZipFile, member: str, name: str) -> bytes:
    try:
        return archive.read(member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UnreadableFile(f"{name} is not whole: {member} is missing or damaged") from error
