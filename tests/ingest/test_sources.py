"""Uploads are kept by content, under names that can't hurt."""

import io
import os
import time
from pathlib import Path

import pytest

from ingest.errors import FileTooLarge, SourceGone
from ingest.records import Source
from ingest.sources import Originals, list_files, read_document


@pytest.mark.parametrize(
    ("name", "label"),
    [("../../etc/passwd", "passwd"), ("C:\\docs\\a.md", "a.md"), ("", "unnamed"), ("a\udc80.md", "a?.md")],
)
def test_an_upload_s_name_is_only_a_label(tmp_path: Path, name: str, label: str) -> None:
    source = Originals(tmp_path / "originals").keep(name, io.BytesIO(b"text"), max_bytes=10)

    assert source.name == label
    assert source.path.parent == tmp_path / "originals"
    assert source.path.read_bytes() == b"text"


def test_a_too_large_upload_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge, match=r"a\.md: over the limit of 0 MB per file"):
        Originals(tmp_path / "originals").keep("a.md", io.BytesIO(b"12345678901"), max_bytes=10)

    assert list((tmp_path / "originals").iterdir()) == []


def test_sweeping_keeps_what_is_used_and_what_is_young(tmp_path: Path) -> None:
    originals = Originals(tmp_path / "originals")
    old, used, young = (
        originals.keep(name, io.BytesIO(name.encode()), max_bytes=10).path for name in ("old", "used", "new")
    )
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    os.utime(used, (hours_ago, hours_ago))

    originals.sweep(lambda path: path == used)

    assert set((tmp_path / "originals").iterdir()) == {used, young}


def test_a_missing_folder_says_which(tmp_path: Path) -> None:
    with pytest.raises(SourceGone, match="nowhere: no such file or folder"):
        list(list_files(tmp_path / "nowhere"))


def test_a_file_that_vanished_says_which(tmp_path: Path) -> None:
    path = tmp_path / "a.md"

    with pytest.raises(SourceGone, match=r"a\.md: can't be read any more"):
        read_document(Source(path.as_uri(), "a.md", path), "library", max_bytes=1)
