"""The command line: fast to answer, clear when something is wrong, useful to scripts."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from app.cli.ask import doubts
from app.cli.collections import in_words
from app.client import Client
from app.keys import Caller, Keys
from app.schemas import Answer, Sentence, Tuning
from tests.app.conftest import WAIT_S, Kalm

ROOT = Path(__file__).parents[2]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, app.cli\n"
        "sys.argv = ['kalm', '--help']\n"
        "try:\n    app.cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'streamlit', 'fastapi', 'llama_index', 'qdrant_client', 'lxml'}\n"
        "print(heavy & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "Start the service and the page" in run.stdout
    assert run.stdout.splitlines()[-1] == "set()"


def test_documents_go_in_and_come_out_again(kalm: Kalm, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Battery\n\nThe battery wants a cool and dry place.")
    (tmp_path / "empty.txt").write_text("")

    ingested = kalm("ingest", str(tmp_path / "a.md"), str(tmp_path / "empty.txt"))

    assert ingested.returncode == 1  # one document failed
    assert "added      a.md" in ingested.stdout
    assert "empty.txt is empty (0 bytes)" in ingested.stdout
    assert kalm("ingest", str(tmp_path / "a.md")).returncode == 0

    found = kalm("search", "where does the battery go", "--limit", "1")
    assert "Battery  [en] a.md" in found.stdout
    assert "fake (any, by shared words only (a stand-in for tests)), 256 dims, funnel" in found.stderr
    assert json.loads(kalm("search", "battery", "--json").stdout)["hits"][0]["title"] == "Battery"
    assert "The battery wants a cool and dry place. [1]" in kalm("ask", "battery in a cool dry place").stdout
    assert "library" in kalm("collections").stdout
    listed = kalm("documents").stdout
    assert "2 documents" in listed
    assert "done" in kalm("jobs").stdout

    shown = kalm("documents", "show", listed.split()[0]).stdout
    assert shown == "Battery  a.md\n\n[en]\nThe battery wants a cool and dry place.\n\n"
    assert json.loads(kalm("jobs", "--json").stdout.splitlines()[0])["state"] == "done"
    kalm("documents", "delete", listed.split()[0])
    assert "1 documents" in kalm("documents").stdout


def test_a_named_source_is_added_run_listed_and_removed(kalm: Kalm, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "a.md").write_text("# Battery\n\nThe battery wants a cool and dry place.")
    (folder / "b.txt").write_text("left out")

    added = kalm("sources", "add", "handbook", str(folder), "--include", "*.md")
    assert added.returncode == 0, added.stderr
    assert added.stdout == f"handbook             library              by hand  {folder}\n"
    ran = kalm("sources", "run", "handbook")
    assert (ran.returncode, ran.stdout) == (0, "added      a.md\n1 added\n")
    assert "done  1 added" in kalm("sources").stdout

    replaced = kalm("sources", "add", "handbook", str(folder), "--every", "90m", "--watch").stdout
    assert f"every 90m, watched  {folder}" in replaced
    assert "\n  next 20" in replaced
    assert kalm("sources", "remove", "handbook").stdout == ""
    assert "a.md" in kalm("documents").stdout


def test_a_wrong_source_is_refused_with_what_to_say(kalm: Kalm, tmp_path: Path) -> None:
    assert kalm("sources", "run").stderr == "kalm: which source? `kalm sources` lists them\n"
    assert kalm("sources", "run", "none").stderr == "kalm: no source 'none'\n"
    assert (
        kalm("sources", "add", "a").stderr
        == "kalm: keep a in sync with what? Name a folder, a URL or a store\n"
    )
    often = kalm("sources", "add", "a", str(tmp_path), "--every", "often")
    assert (often.returncode, often.stderr) == (1, "kalm: every 'often'? Say 30m, 1h or 7d\n")
    gone = kalm("sources", "add", "a", str(tmp_path / "gone"), "--watch")
    assert "gone: no such file or folder" in gone.stderr


def test_what_is_missing_is_asked_for(kalm: Kalm) -> None:
    assert kalm("documents", "delete").stderr == "kalm: which document? `kalm documents` lists them\n"
    assert kalm("jobs", "show").stderr == "kalm: which job? `kalm jobs` lists them\n"
    assert kalm("collections", "create").stderr == "kalm: which collection? `kalm collections` lists them\n"

    nothing = kalm("ingest")
    assert (nothing.returncode, nothing.stderr) == (1, "kalm: ingest what? Name files, folders or URLs\n")


def test_a_path_that_is_not_there_does_not_stop_the_others(kalm: Kalm, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Battery\n\nThe battery wants a cool and dry place.")

    run = kalm("ingest", str(tmp_path / "gone"), str(tmp_path / "a.md"))

    assert run.returncode == 1
    assert f"kalm: {tmp_path / 'gone'}: no such file or folder" in run.stderr
    assert "added      a.md" in run.stdout


def test_a_reader_that_leaves_early_leaves_no_traceback(client: Client) -> None:
    client.create_collection("library")
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "documents"],
        env={**os.environ, "KALM_URL": client.url},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""


def test_a_second_service_on_the_same_data_is_refused(kalm: Kalm) -> None:
    second = kalm("serve", KALM_MODEL="fake", KALM_PORT="0")

    assert second.returncode == 1
    assert (
        "is in use by another kalm service: stop it, or choose another folder by KALM_DATA_DIR"
        in second.stderr
    )


def test_an_error_is_one_line_without_a_traceback(kalm: Kalm, tmp_path: Path) -> None:
    gone = kalm("search", "x", KALM_URL="http://127.0.0.1:9")
    assert (gone.returncode, gone.stderr) == (
        1,
        "kalm: no service at http://127.0.0.1:9: start it with `kalm up`\n",
    )

    missing = kalm("search", "x", "--collection", "none")
    assert missing.stderr == "kalm: no collection 'none'; there is none yet\n"

    open_door = kalm("serve", KALM_HOST="0.0.0.0")
    assert open_door.stderr.startswith("kalm: KALM_HOST=0.0.0.0 lets others in: set KALM_API_KEY")

    unknown = kalm("serve", KALM_MODEL="nonsense", KALM_DATA_DIR=str(tmp_path / "other"))
    assert unknown.stderr.startswith("kalm: no model 'nonsense': give a folder, a hub id, or one of")

    wrong = kalm("serve", KALM_PORT="many")
    assert wrong.stderr.startswith("kalm: KALM_PORT: Input should be a valid integer")


def test_a_made_key_opens_the_service(kalm: Kalm) -> None:
    words = kalm("key", "editor").stdout.split()

    key = next(word for word in words if len(word) == 43)
    keys = Keys.parse(words[-1], None)
    assert keys.caller(key) == Caller("editor", frozenset())
    assert keys.caller("other") is None

    words = kalm("key", "reader", "--group", "hr", "--group", "law").stdout.split()
    key = next(word for word in words if len(word) == 43)
    assert Keys.parse(words[-1], None).caller(key) == Caller("reader", frozenset({"hr", "law"}))


def test_the_doctor_says_what_is_there_and_how_to_mend_the_rest(kalm: Kalm) -> None:
    well = kalm("doctor", KALM_MODEL="fake")
    assert well.returncode == 0, well.stdout
    assert "ok  device cpu" in well.stdout
    assert "the service runs at" in well.stdout
    assert "no language model: answers are quotes" in well.stdout

    ill = kalm("doctor", KALM_MODEL="kalm-v2.5", KALM_LLM_URL="http://127.0.0.1:9", KALM_LLM_MODEL="m")
    assert ill.returncode == 1
    assert "NO  model kalm-v2.5" in ill.stdout
    assert (
        "run `hf download KaLM-Embedding/KaLM-embedding-multilingual-mini-instruct-v2.5 --revision 6a4cfc1"
        in ill.stdout
    )
    assert "NO  language model at http://127.0.0.1:9" in ill.stdout


def test_sentences_in_doubt_are_named_below_an_answer() -> None:
    sentences = [
        Sentence(text="Keep it cool.", citations=[1], support="supported"),
        Sentence(text="Charge it to 70 %.", citations=[1], support="unsupported", missing=["70"]),
        Sentence(text="Keep it dry.", citations=[1], support="weak"),
    ]

    lines = doubts(Answer(mode="llm", sentences=sentences, citations=[], took_ms=1))

    assert lines == ["unsupported: Charge it to 70 %. (not in the source: 70)", "weak: Keep it dry."]


def test_a_collection_is_measured_a_way_is_applied_and_undone(kalm: Kalm, library: Client) -> None:
    refused = kalm("collections", "apply", "library", "--dims", "64", "--quantisation", "binary")
    assert refused.returncode == 1
    assert "was not measured in 'library': kalm collections tune library" in refused.stderr

    measured = kalm("collections", "tune", "library")
    assert "  256 1 bit" in measured.stdout
    before = settled(library)
    applied = kalm("collections", "apply", "library", "--dims", "64", "--quantisation", "binary")
    assert "64 dims 1 bit pick" in applied.stdout, applied.stderr
    settled(library)
    undone = kalm("collections", "undo", "library")

    assert undone.returncode == 0, undone.stderr
    after = settled(library)
    assert after.applied is not None
    assert in_words(after.applied) in undone.stdout
    assert before.applied in (None, after.applied)  # which way is the fastest differs from run to run
    assert after.previous == before.previous


def settled(client: Client) -> Tuning:
    """Once no way to search is being made: until then no other is taken."""
    deadline = time.monotonic() + WAIT_S
    while (found := client.tuning("library")) is None or found.applying is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found
