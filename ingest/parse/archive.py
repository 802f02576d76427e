"""Parts of a zip -> bytes or xml; `ingest.parse.formats` looked at its size before."""

import zipfile
from typing import Any

from lxml import etree

from ingest.errors import UnreadableFile

PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
"""Nothing outside of the file is read; deeper than 256 or longer than 10 MB in one piece is an error."""


def read_part(archive: zipfile.ZipFile, part: str, name: str) -> bytes:
    """Raises UnreadableFile. `name` is the file's, `part` is inside of it."""
    try:
        return archive.read(part)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UnreadableFile(f"{name} is not whole: {part} is missing or damaged") from error


def xml_part(archive: zipfile.ZipFile, part: str, name: str) -> Any:
    """The root of a part. Raises UnreadableFile."""
    try:
        return etree.fromstring(read_part(archive, part, name), PARSER)
    except etree.XMLSyntaxError as error:
        raise UnreadableFile(f"{name}: its part {part} is damaged ({error})") from error
