"""What a file is, and a clear no for what is no document."""

import zipfile
from pathlib import Path

import pytest

from ingest.errors import IngestError, PasswordProtected, UnsupportedFile
from ingest.parse.formats import format_of
from tests.ingest.parse.ole import ole


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.docx", b"%PDF-1.7\n", "pdf"),
        ("a.doc", b"{\\rtf1 text}", "rtf"),
        ("a.xls", b"<html><table></table></html>", "html"),
        ("a.txt", b"<?xml version='1.0'?><html xmlns='x'></html>", "html"),
        ("a.rss", b"<?xml version='1.0'?><rss></rss>", "xml"),
        ("a", b"From: a\nTo: b\nMIME-Version: 1.0\nMessage-ID: <1>\n\nHi", "eml"),
        ("a.txt", b"text about %PDF- files", "txt"),
        ("a.doc", ole({"Workbook": b"x"}), "xls"),
        ("a.eml", ole({"__properties_version1.0": b"x"}), "msg"),
        ("a", b"From a@b.c Mon Jan  1 10:00:00 2024\nSubject: s\n\nHi", "mbox"),
        ("a.txt", b"From 2023 on, so it goes.\n", "txt"),
        ("a.dat", b'[\n {"a": 1}]', "json"),
        ("a.org", b"* Heading", "org"),
    ],
)
def test_the_bytes_decide_and_the_name_only_between_kinds_of_text(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)

    assert format_of(tmp_path / name, name) == expected


@pytest.mark.parametrize(
    ("stream", "error", "message"),
    [
        ("EncryptedPackage", PasswordProtected, "a.bin is protected by a password: save it without one"),
        ("WordDocument", UnsupportedFile, "a.bin is in the Word format of before 2007: save it as docx"),
        ("PowerPoint Document", UnsupportedFile, "a.bin is in the PowerPoint format of before 2007: save it"),
        ("Other", UnsupportedFile, "a.bin is in an old Office format: save it as docx, pptx or pdf"),
    ],
)
def test_old_containers_say_what_they_are_and_what_to_do(
    tmp_path: Path, stream: str, error: type[IngestError], message: str
) -> None:
    (tmp_path / "a.bin").write_bytes(ole({stream: b"x"}))

    with pytest.raises(error) as raised:
        format_of(tmp_path / "a.bin", "a.bin")

    assert str(raised.value).startswith(message)


def test_archives_that_are_no_documents_are_named_as_such(tmp_path: Path) -> None:
    for name, mimetype in (("a.odg", "application/vnd.oasis.opendocument.graphics"), ("a.zip", "")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("mimetype", mimetype)

    with pytest.raises(
        UnsupportedFile, match="is an OpenDocument drawing, formula or database: save it as pdf"
    ):
        format_of(tmp_path / "a.odg", "a.odg")
    with pytest.raises(UnsupportedFile, match="is a zip archive of something else"):
        format_of(tmp_path / "a.zip", "a.zip")
