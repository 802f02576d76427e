"""Outlook's messages, written as [MS-OXMSG] describes them."""

import struct
from pathlib import Path

import pytest

from ingest.errors import UnreadableFile
from ingest.parse import parse
from ingest.records import Element
from tests.ingest.parse.ole import Tree, ole

SENT = 133_500_000_000_000_000
"""2024-01-17 21:20 UTC, in tenths of a microsecond since 1601."""


def properties(header: int, **values: int) -> dict[str, bytes]:
    rows = b"".join(
        struct.pack("<HHIQ", 3, int(key.removeprefix("p"), 16), 6, value) for key, value in values.items()
    )
    return {"__properties_version1.0": bytes(header) + rows}


def words(**texts: str) -> dict[str, bytes]:
    return {
        f"__substg1.0_{key.removeprefix('p')}001F": text.encode("utf-16-le") for key, text in texts.items()
    }


def read(path: Path, tree: Tree) -> list[Element]:
    path.write_bytes(ole(tree))
    return list(parse(path, path.name))


def test_a_message_gives_subject_people_text_and_its_attachments(tmp_path: Path) -> None:
    tree: Tree = {
        **properties(32, p0039=SENT),
        **words(
            p0037="Grüße", p0C1A="Ada", p5D01="ada@example.com", p0E04="Ben", p1000="Erster\r\n\r\nZweiter"
        ),
        "__attach_version1.0_#00000000": {
            **properties(8),
            **words(p3707="notes.md"),
            "__substg1.0_37010102": b"# Notes\n\nOf the meeting.",
        },
        "__attach_version1.0_#00000001": {
            **properties(8),
            "__substg1.0_3701000D": {**properties(24), **words(p0037="Inner", p1000="Deep.")},
        },
    }

    assert read(tmp_path / "a.msg", tree) == [
        Element("title", "Grüße"),
        Element("text", "From: Ada <ada@example.com>\nTo: Ben\nDate: 2024-01-17 21:20 UTC"),
        Element("text", "Erster"),
        Element("text", "Zweiter"),
        Element("title", "notes.md", depth=1),
        Element("title", "Notes", depth=2),
        Element("text", "Of the meeting."),
        Element("title", "Inner", depth=1),
        Element("text", "Deep."),
    ]


def test_the_headers_it_came_with_are_preferred_to_outlooks_own_notes(tmp_path: Path) -> None:
    headers = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nDate: Tue, 14 Apr 2026 08:20:00 +0000\r\n"
    tree: Tree = {**properties(32), **words(p007D=headers, p0C1A="other", p1000="Hi.")}

    assert read(tmp_path / "a.msg", tree)[0].text == (
        "From: Jürgen <j@example.com>\nDate: Tue, 14 Apr 2026 08:20:00 +0000"
    )


def test_html_in_an_old_encoding_is_read_by_its_code_page(tmp_path: Path) -> None:
    tree: Tree = {
        **properties(32, p3FDE=932),
        "__substg1.0_10130102": "<p>会議は三時です</p>".encode("cp932"),
    }

    assert [element.text for element in read(tmp_path / "a.msg", tree)] == ["会議は三時です"]


def test_a_damaged_message_says_so(tmp_path: Path) -> None:
    whole = ole({**properties(32), **words(p1000="text " * 2000)})
    (tmp_path / "a.msg").write_bytes(whole[:1500])

    with pytest.raises(UnreadableFile, match=r"a\.msg"):
        parse(tmp_path / "a.msg", "a.msg")
