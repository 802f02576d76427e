"""epub, made by hand."""

import zipfile
from pathlib import Path

import pytest

from ingest.errors import PasswordProtected
from ingest.parse import parse
from ingest.records import Element

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)
BOOK = (
    '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:title>Book</dc:title></metadata><manifest>"
    '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="a" href="a%20a.xhtml" media-type="application/xhtml+xml"/>'
    '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
)
ENCRYPTION = (
    '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData>'
    '<enc:CipherReference URI="{}"/></enc:CipherData></enc:EncryptedData></encryption>'
)


def book(path: Path, **more: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/book.opf", BOOK)
        archive.writestr("OPS/a a.xhtml", "<html><body><h1>One</h1><p>First.</p></body></html>")
        archive.writestr("OPS/b.xhtml", "<html><body><h1>Two</h1><p>Second.</p></body></html>")
        for name, content in more.items():
            archive.writestr(f"META-INF/{name}.xml", content)
    return path


def test_chapters_come_in_the_order_of_the_spine_under_the_books_title(tmp_path: Path) -> None:
    assert parse(book(tmp_path / "a.epub"), "a.epub") == [
        Element("title", "Book"),
        Element("title", "One", depth=1),
        Element("text", "First."),
        Element("title", "Two", depth=1),
        Element("text", "Second."),
    ]


def test_encrypted_chapters_are_refused_and_encrypted_fonts_are_not(tmp_path: Path) -> None:
    with pytest.raises(PasswordProtected, match=r"a\.epub is protected against copying \(1 of 2 chapters"):
        parse(book(tmp_path / "a.epub", encryption=ENCRYPTION.format("OPS/b.xhtml")), "a.epub")

    assert parse(book(tmp_path / "b.epub", encryption=ENCRYPTION.format("OPS/font.otf")), "b.epub")
