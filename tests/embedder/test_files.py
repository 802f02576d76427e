"""Files of texts into files of vectors: every format, every fault, and killed at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from embedder.errors import BadFile, TextTooLong
from embedder.fake import FakeEncoder
from embedder.files import Order, embed_file

fake = FakeEncoder()
TEXTS = ["one", "two words", "三つの言葉", "", "one"]


def write_rows(path: Path, texts: list[Any]) -> Path:
    rows = [{"id": f"r{at}", "text": text} for at, text in enumerate(texts)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(f"{text}\n" for text in texts))
    return path


def vectors_of(path: Path) -> tuple[list[str] | None, np.ndarray[Any, Any]]:
    if path.suffix == ".npy":
        return None, np.load(path)
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        rows = parquet.read_table(path).to_pylist()
    return [row["id"] for row in rows], np.array([row["vector"] for row in rows], np.float32)


@pytest.mark.parametrize("target", [".npy", ".jsonl", ".parquet"])
@pytest.mark.parametrize("source", [".jsonl", ".parquet", ".txt"])
def test_every_format_goes_into_every_other(tmp_path: Path, source: str, target: str) -> None:
    given, made = write_rows(tmp_path / f"in{source}", TEXTS), tmp_path / f"out{target}"

    account = embed_file(given, made, fake, Order(dim=64))

    names, vectors = vectors_of(made)
    assert np.abs(vectors - fake.encode_documents(TEXTS, dim=64)).max() < 1e-6
    assert names in (None, [f"r{at}" for at in range(5)], [str(at + 1) for at in range(5)])
    assert (account.rows, account.bad_rows, account.dropped_tokens) == (5, 0, 0)
    assert sorted(tmp_path.iterdir()) == sorted([given, made])  # nothing is left over


def test_half_the_bytes_and_queries_on_request(tmp_path: Path) -> None:
    given = write_rows(tmp_path / "in.jsonl", TEXTS)

    embed_file(given, tmp_path / "out.npy", fake, Order(kind="query", dtype="float16"))

    assert np.load(tmp_path / "out.npy").dtype == np.float16


def test_an_empty_file_gives_no_vectors(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("\n")

    embed_file(tmp_path / "in.jsonl", tmp_path / "out.npy", fake, Order())

    assert np.load(tmp_path / "out.npy").shape == (0, 256)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{broken", "no JSON: "),
        ('{"other": "a"}', "no 'text'"),
        ('{"text": 3}', "'text' is a int, not a text"),
        ("[1]", "a JSON list, not an object"),
    ],
)
def test_a_row_without_a_text_is_named_or_skipped(tmp_path: Path, line: str, problem: str) -> None:
    given = tmp_path / "in.jsonl"
    given.write_text('{"text": "fine"}\n' + line + '\n{"text": "too"}\n')

    with pytest.raises(BadFile, match=r"in\.jsonl, line 2: " + problem.replace("[", r"\[")):
        embed_file(given, tmp_path / "out.npy", fake, Order())
    account = embed_file(given, tmp_path / "out.npy", fake, Order(on_bad="skip"))

    vectors = np.load(tmp_path / "out.npy")
    assert account.bad_rows == 1
    assert np.array_equal(
        vectors,
        np.vstack([*fake.encode_documents(["fine"]), vectors[1] * 0, *fake.encode_documents(["too"])]),
    )


def test_a_text_too_long_is_named_or_cut_and_counted(tmp_path: Path) -> None:
    given = write_rows(tmp_path / "in.txt", ["short", "w " * 600])

    with pytest.raises(TextTooLong, match="line 2: 600 tokens, fake takes 512; --too-long cut"):
        embed_file(given, tmp_path / "out.npy", fake, Order())

    assert embed_file(given, tmp_path / "out.npy", fake, Order(too_long="cut")).dropped_tokens == 88


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("in.doc", "out.npy", "can read .jsonl, .parquet, .txt, not .doc"),
        ("in.txt", "out.csv", "can write .npy, .jsonl, .parquet"),
        ("missing.txt", "out.npy", "missing.txt can't be read: No such file"),
        ("in.txt", "no/such/out.npy", "can't be written: No such file or directory"),
        ("bad.parquet", "out.npy", "bad.parquet is no parquet file"),
        ("in.parquet", "out.npy", "has no column 'text'; it has body: name one by --field"),
    ],
)
def test_what_can_not_be_read_or_written_says_why(
    tmp_path: Path, source: str, target: str, message: str
) -> None:
    for name in ("in.doc", "in.txt", "bad.parquet"):
        (tmp_path / name).write_text("a\n")
    parquet.write_table(pyarrow.table({"body": ["a"]}), tmp_path / "in.parquet")

    with pytest.raises(BadFile, match=message):
        embed_file(tmp_path / source, tmp_path / target, fake, Order())


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "embedder", "fake", *map(str, words)]


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    texts = [f"row {at} " + "word " * 200 for at in range(4000)]
    given, made, whole = (
        write_rows(tmp_path / "in.jsonl", texts),
        tmp_path / "out.npy",
        tmp_path / "whole.npy",
    )
    embed_file(given, whole, fake, Order())
    journal = tmp_path / "out.npy.journal"

    for _ in range(3):
        run = subprocess.Popen(command(given, made))
        before = journal.read_text() if journal.exists() else ""
        while run.poll() is None and (not journal.exists() or journal.read_text() == before):
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert 0 < json.loads(journal.read_text())["account"]["rows"] < 4000
    assert not made.exists()
    done = subprocess.run(command(given, made), capture_output=True, text=True, check=True)

    assert made.read_bytes() == whole.read_bytes()
    assert "4000 rows, " in done.stderr


def test_an_interrupted_run_does_not_go_on_with_something_else(tmp_path: Path) -> None:
    given = write_rows(tmp_path / "in.jsonl", [*["w " * 400] * 300, "w " * 600])
    with pytest.raises(TextTooLong):
        embed_file(given, tmp_path / "out.npy", fake, Order())

    with pytest.raises(BadFile, match=r"was begun with another order: delete it and its \.partial"):
        embed_file(given, tmp_path / "out.npy", fake, Order(too_long="cut"))
    os.utime(given, ns=(1, 1))
    with pytest.raises(BadFile, match="was begun with another input"):
        embed_file(given, tmp_path / "out.npy", fake, Order())


def test_an_output_is_never_overwritten(tmp_path: Path) -> None:
    given = write_rows(tmp_path / "in.txt", ["a"])
    (tmp_path / "out.npy").write_text("precious")

    with pytest.raises(BadFile, match=r"out\.npy is there already"):
        embed_file(given, tmp_path / "out.npy", fake, Order())


def test_the_command_says_what_it_did_and_what_went_wrong(tmp_path: Path) -> None:
    given = write_rows(tmp_path / "in.txt", ["a", "w " * 600])

    failed = subprocess.run(command(given, tmp_path / "out.npy"), capture_output=True, text=True)
    cut = subprocess.run(
        command(given, tmp_path / "cut.npy", "--too-long", "cut", "--progress"),
        capture_output=True,
        text=True,
    )

    assert (failed.returncode, cut.returncode) == (1, 0)
    assert failed.stderr.endswith("--too-long cut keeps the beginning\n")
    assert "2 of 3 rows, " in cut.stderr
    assert "2 rows, 513 tokens, by fake on cpu, no model; 88 tokens were cut off\n" in cut.stderr
