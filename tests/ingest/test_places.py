"""Globs mean what people expect of them, and a sync's reach ends where its globs do."""

from pathlib import Path

import pytest

from ingest.places import Place, Selection
from ingest.sources import list_files


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.md", "a.md", True),
        ("*.md", "deep/er/a.md", True),
        ("*.md", "a.mdx", False),
        ("/*.md", "deep/a.md", False),
        ("/*.md", "a.md", True),
        ("**/*.md", "a.md", True),
        ("**/*.md", "deep/er/a.md", True),
        ("**/**/*.md", "a.md", True),
        ("docs/**", "docs/a/b.md", True),
        ("docs/**", "docs", False),
        ("docs/**/b.md", "docs/b.md", True),
        ("docs/**/b.md", "docs/x/y/b.md", True),
        ("docs/*/b.md", "docs/x/y/b.md", False),
        ("drafts/", "drafts/a.md", True),
        ("drafts/", "old/drafts/a.md", True),
        ("old/drafts", "old/drafts/x/a.md", True),
        ("old/drafts", "drafts/a.md", False),
        ("20??", "2026/a.md", True),
        ("a[1].md", "a[1].md", True),
        ("a[1].md", "a1.md", False),
        ("A.md", "a.md", False),
        ("報告*", "報告書.md", True),
        ("a" + "*a" * 50 + "b", "a" * 200, False),
    ],
)
def test_a_pattern_means_what_people_expect(pattern: str, path: str, matches: bool) -> None:
    assert (path in Selection(include=(pattern,))) == matches
    assert (path in Selection(exclude=(pattern,))) != matches


def test_only_selected_files_are_listed_and_excluded_folders_are_not_entered(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "deep/c.md", "drafts/d.md", ".git/e.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "drafts").chmod(0)  # entering it would be an error for everybody but root

    try:
        found = list(list_files(tmp_path, Selection(include=("*.md",), exclude=("drafts/",))))
    finally:
        (tmp_path / "drafts").chmod(0o700)

    assert [source.name for source in found] == ["a.md", "c.md"]


def test_a_place_covers_what_is_selected_below_it_and_inside_of_its_archives() -> None:
    place = Place("/docs", Selection(exclude=("old/",)))

    assert place.covers("file:///docs/a.md")
    assert place.covers("file:///docs/a.zip!/b.md")
    assert not place.covers("file:///docs/old/a.md")
    assert not place.covers("file:///docs-other/a.md")
    assert not place.covers("upload:a.md")
    assert Place("/docs/a.zip").covers("file:///docs/a.zip!/old/b.md")
    assert not Place("/docs/a.zip").covers("file:///docs/a.zip.md")
    assert Place("s3://bucket/my docs").covers("s3://bucket/my%20docs/a.md")
    assert Place("memory://").covers("memory://a.md")
    assert Place("https://x.org/a").covers("https://x.org/a")
    assert not Place("/").covers("https://x.org/a")


def test_no_file_s_uri_looks_like_a_place_inside_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip!").mkdir()
    (tmp_path / "a.zip!" / "b.md").write_text("x")

    assert [source.uri.count("!/") for source in list_files(tmp_path)] == [0]
