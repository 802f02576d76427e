"""Archives from well-meaning people and from others: members come out one by one, bombs not at all."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ingest.archives import Limits, Unpacked, archive_kind, unpack
from ingest.errors import IngestError, LeftOut, NoText, UnreadableFile
from ingest.records import Source
from ingest.sources import Originals

LIBRARY = Path(__file__).parents[2] / "app" / "sample" / "library"
LIMITS = Limits(total_bytes=1 << 20, members=20)
Unpack = Callable[..., Unpacked]


@pytest.fixture
def open_archive(tmp_path: Path) -> Unpack:
    originals = Originals(tmp_path / "originals")

    def open_it(path: Path, limits: Limits = LIMITS, max_bytes: int = 100_000) -> Unpacked:
        kind = archive_kind(path)
        assert kind is not None
        return unpack(
            Source("file:///docs/" + path.name, path.name, path),
            kind,
            lambda name, content: originals.keep(name, content, max_bytes=max_bytes).path,
            limits,
        )

    return open_it


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def refusals(unpacked: Unpacked) -> dict[str, str]:
    return {str(refused.error): refused.error.code for refused in unpacked.refused}


FILES = {"a.md": b"one", "deep/ä b.md": b"two", ".hidden": b"x", "__MACOSX/c": b"x"}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_every_file_inside_becomes_a_source_of_its_own(
    tmp_path: Path, open_archive: Unpack, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".zip":
        zipped(path, FILES)
    else:
        tarred(path, FILES, "w:" + suffix[5:])

    unpacked = open_archive(path)

    assert [(source.uri, source.name, source.path.read_bytes()) for source in unpacked.members] == [
        (f"file:///docs/a{suffix}!/a.md", "a.md", b"one"),
        (f"file:///docs/a{suffix}!/deep/%C3%A4%20b.md", "ä b.md", b"two"),
    ]
    assert {source.path.parent for source in unpacked.members} == {tmp_path / "originals"}
    assert (unpacked.refused, unpacked.problem) == ([], None)


def test_documents_that_are_zips_inside_stay_documents(tmp_path: Path) -> None:
    zips = [path for path in LIBRARY.iterdir() if path.suffix in {".docx", ".pptx", ".xlsx"}]
    zips.append(zipped(tmp_path / "a.epub", {"mimetype": b"application/epub+zip", "x.html": b"x"}))
    zips.append(zipped(tmp_path / "a.odt", {"mimetype": b"application/vnd.oasis.opendocument.text"}))
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "one.gz").write_bytes(gzip.compress(b"a text, not a tar" * 100))
    (tmp_path / "a.txt").write_text("text\n" * 1000)

    for path in [*zips, tmp_path / "damaged.zip", tmp_path / "one.gz", tmp_path / "a.txt"]:
        assert archive_kind(path) is None, path


def test_links_devices_and_names_that_lead_out_are_left_out_and_said(
    tmp_path: Path, open_archive: Unpack
) -> None:
    names = ("ok.md", "../up.md", "/etc/passwd", "C:\\x.md")
    path = tarred(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    with tarfile.open(path, "a") as archive:
        for name, kind in (("soft", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("null", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)

    unpacked = open_archive(path)

    assert [source.name for source in unpacked.members] == ["ok.md"]
    assert all(isinstance(refused.error, LeftOut) for refused in unpacked.refused)
    assert list(refusals(unpacked)) == [
        "a.tar!/../up.md: a name that leads out of the archive, left out",
        "a.tar!//etc/passwd: a name that leads out of the archive, left out",
        "a.tar!/C:\\x.md: a name that leads out of the archive, left out",
        "a.tar!/soft: a link, left out",
        "a.tar!/hard: a link, left out",
        "a.tar!/null: no file, left out",
    ]
    assert len(list((tmp_path / "originals").iterdir())) == 1


def test_a_link_in_a_zip_and_a_name_that_comes_twice_are_left_out(
    tmp_path: Path, open_archive: Unpack
) -> None:
    path = zipped(tmp_path / "a.zip", {"a.md": b"first"})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.md", b"second")

    unpacked = open_archive(path)

    assert [source.path.read_bytes() for source in unpacked.members] == [b"first"]
    assert list(refusals(unpacked)) == [
        "a.zip!/link: a link, left out",
        "a.zip!/a.md: a second file of this name, left out",
    ]


def test_encrypted_damaged_nested_and_huge_members_fail_alone(tmp_path: Path, open_archive: Unpack) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("secret.md", "damaged.md", "inner.zip", "huge.md", "good.md"):
            archive.writestr(name, name.encode() * (20_000 if name == "huge.md" else 1))
        table = {info.filename: info for info in archive.infolist()}
    content = bytearray(path.read_bytes())
    content[content.rindex(b"damaged.md", 0, content.rindex(b"PK\x01\x02") - 200)] ^= 1
    for marker, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says "encrypted"
        content[content.index(marker) + offset] |= 1
    path.write_bytes(content)
    assert table["secret.md"].header_offset == 0

    unpacked = open_archive(path)

    assert [source.name for source in unpacked.members] == ["good.md"]
    damaged = "(Bad CRC-32 for file 'damaged.md'): get an undamaged copy of the archive"
    assert refusals(unpacked) == {
        "a.zip!/secret.md: protected by a password: pack it without one": "password",
        f"a.zip!/damaged.md is damaged {damaged}": "unreadable",
        "a.zip!/inner.zip is an archive inside of an archive: unpack it first": "unsupported",
        "a.zip!/huge.md: over the limit of 0 MB per file": "too_large",
    }


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(total_bytes=1 << 30, members=2), "holds more than 2 files: unpack it and ingest the folder"),
        (Limits(total_bytes=50_000), "unpacks to more than 0 MB: unpack it and ingest the folder"),
        (
            Limits(total_bytes=1 << 30, ratio=50, ratio_from=10_000),
            "unpacks to more than 50 times its size, which looks like a bomb",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz"])
def test_a_bomb_gives_nothing(
    tmp_path: Path, open_archive: Unpack, suffix: str, limits: Limits, message: str
) -> None:
    files = {f"{number}.md": b"0" * 90_000 for number in range(3)}
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".zip":
        zipped(path, files)
    else:
        tarred(path, files, "w:" + suffix[5:])

    with pytest.raises(UnreadableFile, match=message):
        open_archive(path, limits)


def test_a_tar_counts_what_it_skips(tmp_path: Path, open_archive: Unpack) -> None:
    path = tarred(tmp_path / "bomb.tar.gz", {"../skipped": b"0" * 200_000, "a.md": b"x"}, "w:gz")

    with pytest.raises(UnreadableFile, match="unpacks to more than"):
        open_archive(path, Limits(total_bytes=100_000))


def test_a_zip_that_lies_about_its_sizes_is_counted(tmp_path: Path, open_archive: Unpack) -> None:
    path = zipped(tmp_path / "a.zip", {"a.md": b"0" * 90_000})
    content = path.read_bytes()
    size = (90_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (5).to_bytes(4, "little")))

    unpacked = open_archive(path)

    assert [refused.error.code for refused in unpacked.refused] == ["unreadable"]


def test_a_table_of_contents_too_long_for_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}-{'x' * 60_000}", b"")

    assert archive_kind(tmp_path / "a.zip") is None  # left to its reader, which has limits of its own


@pytest.mark.parametrize("cut", ["header", "content", "stream"])
def test_a_cut_off_tar_says_so_and_keeps_what_came_before(
    tmp_path: Path, open_archive: Unpack, cut: str
) -> None:
    path = tarred(tmp_path / "a.tar", {"a.md": b"a" * 600, "b.md": Random(0).randbytes(60_000)})
    content = path.read_bytes()
    second = content.index(b"b.md")
    if cut == "header":
        content = content[: second + 100] + b"\xff" * 100 + content[second + 200 :]
    elif cut == "content":
        content = content[: second + 600]
    else:
        content = gzip.compress(content)[:50_000]
    path.write_bytes(content)

    unpacked = open_archive(path)

    assert [source.name for source in unpacked.members] == ["a.md"]
    assert str(unpacked.problem).startswith("a.tar is damaged after 1 files (")


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, open_archive: Unpack) -> None:
    path = tarred(tmp_path / "a.tar.bz2", {"a.md": b"x", "n" * (2 << 20): b"y"}, "w:bz2")

    unpacked = open_archive(path, Limits(total_bytes=1 << 30, ratio=1 << 20))

    assert "a header of 2 MB" in str(unpacked.problem)


def test_an_empty_archive_is_no_success(tmp_path: Path, open_archive: Unpack) -> None:
    with pytest.raises(NoText, match=r"a\.zip is an archive without files"):
        open_archive(zipped(tmp_path / "a.zip", {"__MACOSX/x": b"x"}))


def test_names_of_other_systems_are_read(tmp_path: Path, open_archive: Unpack) -> None:
    path = zipped(tmp_path / "a.zip", {"日本.md": b"x"})
    content = bytearray(path.read_bytes())
    for marker, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # the bit that says "UTF-8"
        content[content.index(marker) + offset] &= ~8
    path.write_bytes(content)

    assert open_archive(path).members[0].name == "日本.md"


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path: Path) -> None:
    def full(name: str, content: object) -> Path:
        raise OSError(28, "No space left on device")

    for path in (zipped(tmp_path / "a.zip", {"a.md": b"x"}), tarred(tmp_path / "a.tar", {"a.md": b"x"})):
        kind = archive_kind(path)
        assert kind is not None
        with pytest.raises(OSError, match="No space left"):
            unpack(Source("file:///a", "a", path), kind, full, LIMITS)


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress])
def test_random_bytes_never_get_further_than_an_error(
    tmp_path: Path, open_archive: Unpack, squeeze: Callable[[bytes], bytes]
) -> None:
    files = {f"{number}.md": b"text %d" % number for number in range(5)}
    packed = squeeze(tarred(tmp_path / "a.tar", files).read_bytes())
    for at in range(0, len(packed), 3):
        path = tmp_path / "b.tar"
        path.write_bytes(packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :])
        if archive_kind(path) is None:
            continue
        try:
            unpacked = open_archive(path)
        except IngestError:
            continue
        assert len(unpacked.members) + len(unpacked.refused) <= 5
