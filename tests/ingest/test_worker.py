"""The child process that reads files: limits hold, and the next file is none the wiser."""

import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.errors import FileTooLarge, IngestError, ParseLimit, UnreadableFile
from ingest.parse import parse
from ingest.worker import ParseWorker


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.md"
    path.write_text("# Title\n\nText.")
    return path


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_read(tmp_path: Path, good: Path) -> None:
    slow = tmp_path / "slow.md"
    slow.write_text("*word* " * 2_000_000)
    worker = ParseWorker(timeout_s=2)

    with pytest.raises(ParseLimit, match=r"slow\.md: reading it took more than"):
        worker.parse(slow, slow.name)

    assert worker.parse(good, good.name)[0].text == "Title"
    worker.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce limits of memory")
def test_a_file_that_takes_too_much_memory_is_given_up(tmp_path: Path, good: Path) -> None:
    huge = tmp_path / "huge.json"
    huge.write_bytes(b"[" + b"[]," * 8_000_000 + b"[]]")
    worker = ParseWorker(memory_mb=512)

    with pytest.raises(ParseLimit, match=r"huge\.json: reading it took more than 512 MB of memory"):
        worker.parse(huge, huge.name)

    assert worker.parse(good, good.name)[1].text == "Text."
    worker.close()


def test_a_reader_that_died_while_idle_is_replaced_without_blaming_the_next_file(good: Path) -> None:
    worker = ParseWorker()
    worker.parse(good, good.name)
    child = worker._child
    assert child is not None

    child.kill()
    child.wait()

    assert worker.parse(good, good.name)[0].text == "Title"
    worker.close()


def test_several_threads_share_a_worker(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.md" for number in range(8)]
    for path in paths:
        path.write_text(f"# {path.name}\n\nText.")
    worker = ParseWorker()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda path: worker.parse(path, path.name)[0].text, paths))

    assert found == [path.name for path in paths]
    worker.close()


def test_the_child_does_not_inherit_secrets(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALM_LLM_KEY", "top secret")
    worker = ParseWorker()
    worker.parse(good, good.name)
    child = worker._child
    assert child is not None

    if sys.platform == "linux":
        assert b"top secret" not in Path(f"/proc/{child.pid}/environ").read_bytes()
    worker.close()


def test_an_error_comes_back_as_it_was_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(b"PK\x03\x04 garbage")
    worker = ParseWorker()

    with pytest.raises(UnreadableFile, match=r"a\.docx is damaged"):
        worker.parse(path, path.name)
    worker.close()


def test_the_child_reaches_neither_network_nor_programs() -> None:
    import subprocess

    code = (
        "from ingest.worker import _limit; _limit(4096)\n"
        "import socket, subprocess\n"
        "reach = lambda: socket.create_connection(('127.0.0.1', 9))\n"
        "send = lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))\n"
        "start = lambda: subprocess.run(['true'])\n"
        "for attempt in (reach, send, start):\n"
        "    try: attempt()\n"
        "    except PermissionError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert run.stdout.splitlines() == [
        "socket.getaddrinfo is not for a reader of files",
        "socket.sendto is not for a reader of files",
        "subprocess.Popen is not for a reader of files",
    ]


def bomb(path: Path) -> Path:
    """A page whose content unfolds from 1 MB to 1 GB."""
    begin, spaces = b"BT /F1 12 Tf 9 9 Td (boom) Tj ET\n", b" " * (1 << 20)
    packer = zlib.compressobj(9)
    first, block = (packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in (begin, spaces))
    checksum = zlib.adler32(begin)
    for _ in range(1000):
        checksum = zlib.adler32(spaces, checksum)
    content = first + block * 1000 + b"\x03\x00" + checksum.to_bytes(4, "big")
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(content), content),
    ]
    numbered = (b"%d 0 obj\n%b\nendobj\n" % (number, part) for number, part in enumerate(parts, 1))
    path.write_bytes(b"%PDF-1.7\n" + b"".join(numbered) + b"trailer << /Root 1 0 R >>\n")
    return path


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce limits of memory")
def test_a_pdf_that_unfolds_to_a_gigabyte_is_given_up_and_the_next_file_is_read(
    tmp_path: Path, good: Path
) -> None:
    worker = ParseWorker(memory_mb=512)

    with pytest.raises(IngestError, match=r"bomb\.pdf"):
        worker.parse(bomb(tmp_path / "bomb.pdf"), "bomb.pdf")

    assert worker.parse(good, good.name)[0].text == "Title"
    worker.close()


def test_a_pdf_whose_pages_are_their_own_parents_ends(tmp_path: Path) -> None:
    loop = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n"
    loop += (
        b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9 /Parent 2 0 R >>\nendobj\ntrailer << /Root 1 0 R >>\n"
    )
    (tmp_path / "loop.pdf").write_bytes(loop)
    worker = ParseWorker(timeout_s=20)

    with pytest.raises(IngestError, match=r"loop\.pdf"):
        worker.parse(tmp_path / "loop.pdf", "loop.pdf")
    worker.close()


def test_a_long_text_comes_in_parts_and_whole(tmp_path: Path) -> None:
    rows = [f"{number},{'word ' * 400}" for number in range(3000)]
    (tmp_path / "long.csv").write_text("\n".join(rows))
    worker = ParseWorker()

    assert worker.parse(tmp_path / "long.csv", "long.csv") == parse(tmp_path / "long.csv", "long.csv")
    worker.close()


def test_a_text_that_breaks_off_amid_its_parts_fails_as_a_whole(tmp_path: Path) -> None:
    rows = [f"{number},{'word ' * 400}" for number in range(3000)]
    (tmp_path / "broken.csv").write_text("\n".join([*rows, '"' + "x" * (9 << 20)]))
    worker = ParseWorker()

    with pytest.raises(FileTooLarge, match=r"broken\.csv: line \d+ .* more than 8 million characters"):
        worker.parse(tmp_path / "broken.csv", "broken.csv")
    worker.close()
