"""epub and odt, made by hand."""

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
ODT = (
    '<d xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0">'
    '<text:h text:outline-level="2">Part</text:h><text:p>Words.</text:p>'
    "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
    "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table></d>"
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


def test_an_odt_gives_headings_paragraphs_and_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", ODT)

    assert parse(tmp_path / "a.odt", "a.odt") == [
        Element("title", "Part", depth=1),
        Element("text", "Words."),
        Element("table", "a | b"),
    ]
