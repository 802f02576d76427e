"""`kalm evaluate`: a folder, a file or a set on a collection; a pack without a service."""

import json
from pathlib import Path

import pytest

from app.client import Client
from tests.app.conftest import Kalm

TEXTS = {
    "d1": ("Battery", "The battery wants a cool and dry place."),
    "d/2": ("", "Flour, water, salt and time make bread. Bake it hot."),
    "d3": ("Ketten", "Die Kette braucht nach jeder Fahrt im Regen einen Tropfen Öl."),
}
QUERIES = {
    "q1": ("where does the battery go", "en", "d1"),
    "q2": ("flour and water", "en", "d/2"),
    "q3": ("Kette Regen Öl", "de", "d3"),
}


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "pack" / "Little"
    folder.mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        "\n".join(
            json.dumps({"_id": id_, "title": title, "text": text}) for id_, (title, text) in TEXTS.items()
        )
    )
    (folder / "queries.jsonl").write_text(
        "\n".join(
            json.dumps({"_id": id_, "text": text, "lang": language})
            for id_, (text, language, _) in QUERIES.items()
        )
    )
    rows = [f"{id_}\t{document}\t1" for id_, (_, _, document) in QUERIES.items()]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]))
    return folder


def test_a_beir_folder_is_ingested_and_evaluated_with_one_command(
    kalm: Kalm, client: Client, beir: Path
) -> None:
    run = kalm(
        "evaluate", str(beir), "--collection", "little", "--ingest",
        "--ranking", "dense,lexical", "--dims", "256,64",
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    assert lines[0] == [
        "ranking",
        "dims",
        "language",
        "queries",
        "nDCG@10",
        "R@1",
        "R@5",
        "R@10",
        "R@100",
        "MRR",
    ]
    assert [line[:4] for line in lines[1:]] == [
        [ranking, dims, language, count]
        for ranking, dims in (("dense", "256"), ("dense", "64"), ("lexical", "-"))
        for language, count in (("all", "3"), ("de", "1"), ("en", "2"))
    ]
    assert lines[1][4:] == ["100.0", "[100.0,", "100.0]", "100.0", "100.0", "100.0", "100.0", "100.0"]
    assert [one.name for one in client.query_sets()] == ["Little"]
    titles = {document.title for document in client.documents("little").documents}
    assert titles == {"Battery", "d%2F2", "Ketten"}

    again = kalm("evaluate", str(beir), "--collection", "little", "--ranking", "dense")
    assert again.stdout.splitlines()[1] == run.stdout.splitlines()[1]
    by_name = kalm("evaluate", "Little", "--collection", "little", "--ranking", "dense")
    assert by_name.stdout == again.stdout


def test_what_can_t_be_evaluated_is_one_line(kalm: Kalm, client: Client, beir: Path, tmp_path: Path) -> None:
    client.create_collection("library")
    (tmp_path / "bad.csv").write_text("query,document\nx,\n")
    (tmp_path / "other.csv").write_text("query,document\nx,gone.md\n")

    assert kalm("evaluate", str(tmp_path / "bad.csv")).stderr == "kalm: bad.csv:2: no document\n"
    assert "no document that 'other' names" in kalm("evaluate", str(tmp_path / "other.csv")).stderr
    assert kalm("evaluate", "nowhere").stderr == "kalm: no query set 'nowhere'; there is other\n"
    assert kalm("evaluate").stderr.startswith("kalm: evaluate what? Name a BEIR folder")
    assert kalm("evaluate", "x", "--ranking", "best").stderr == (
        "kalm: no ranking best: there is hybrid, dense, lexical\n"
    )
    assert kalm("evaluate", "x", "--dims", "many").stderr.startswith("kalm: --dims many: give whole numbers")
    assert "holds no task that begins with zz" in kalm(
        "evaluate", "--pack", str(beir.parent), "--only", "zz", KALM_MODEL="fake"
    ).stderr  # fmt: skip


def test_a_pack_is_evaluated_end_to_end_without_a_service(kalm: Kalm, beir: Path) -> None:
    run = kalm(
        "evaluate", "--pack", str(beir.parent), KALM_MODEL="fake", KALM_URL="http://127.0.0.1:9"
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    header, row, average = (line.split() for line in run.stdout.splitlines())
    assert header[:7] == ["task", "languages", "documents", "queries", "dense", "lexical", "hybrid"]
    assert row == ["Little", "en", "de", "3", "3", "100.0", "100.0", "100.0"]
    assert average == ["average", "100.0", "100.0", "100.0"]
