"""What a file is, and a clear no for what is no document."""

import zipfile
from pathlib import Path

import pytest

from ingest.errors import IngestError, PasswordProtected, UnsupportedFile
from ingest.parse.formats import format_of

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


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
        ("a.xls", OLE + "Workbook".encode("utf-16-le"), "xls"),
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
        ("__substg1.0_", UnsupportedFile, "a.bin is an Outlook message: save it as eml"),
        ("Other", UnsupportedFile, "a.bin is in an old Office format: save it as docx, pptx or pdf"),
    ],
)
def test_old_containers_say_what_they_are_and_what_to_do(
    tmp_path: Path, stream: str, error: type[IngestError], message: str
) -> None:
    (tmp_path / "a.bin").write_bytes(OLE + stream.encode("utf-16-le"))

    with pytest.raises(error) as raised:
        format_of(tmp_path / "a.bin", "a.bin")

    assert str(raised.value) == message


def test_archives_that_are_no_documents_are_named_as_such(tmp_path: Path) -> None:
    for name, mimetype in (("a.ods", "application/vnd.oasis.opendocument.spreadsheet"), ("a.zip", "")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("mimetype", mimetype)

    with pytest.raises(UnsupportedFile, match="is an OpenDocument file other than text"):
        format_of(tmp_path / "a.ods", "a.ods")
    with pytest.raises(UnsupportedFile, match="is a zip archive of something else"):
        format_of(tmp_path / "a.zip", "a.zip")
