"""Every format gives the same rows, and every complaint names file and line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.conftest import lines
from training.data import Row, read, read_beir, write_rows
from training.errors import BadData


def one(path: Path, row: dict[str, Any]) -> Row:
    (found,) = read([lines(path, [row])])
    return found


@pytest.mark.parametrize(
    "row",
    [
        {"query": "q", "pos": ["p"], "neg": ["n", "m"]},
        {"anchor": "q", "positive": "p", "negative_1": "n", "negative_2": "m"},
        {"question": "q", "pos": ["p"], "neg": ["n", "m"], "task_name": "words"},
    ],
)
def test_kalms_rows_and_sentence_transformers_columns_are_the_same(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    assert one(tmp_path / "words.jsonl", row) == Row("q", ("p",), ("n", "m"), task="words")


def test_gzip_parquet_and_plain_are_the_same(tmp_path: Path) -> None:
    row = {"query": "q", "pos": ["p"], "neg": ["n"], "task": "t"}
    plain = lines(tmp_path / "a.jsonl", [row])
    zipped = tmp_path / "b.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "c.parquet")

    found = list(read([plain, zipped, tmp_path / "c.parquet"]))

    assert found == [Row("q", ("p",), ("n",), task="t")] * 3
    assert list(read([tmp_path])) == found


def test_a_teachers_scores_are_split_between_positives_and_negatives(tmp_path: Path) -> None:
    row = one(
        tmp_path / "a.jsonl", {"query": "q", "pos": ["p"], "neg": ["n", "m"], "scores": [0.9, 0.2, 0.1]}
    )

    assert row.positive_scores == (0.9,)
    assert row.negative_scores == (0.2, 0.1)


def test_labels_and_scored_pairs_are_told_from_retrieval(tmp_path: Path) -> None:
    label = one(tmp_path / "a.jsonl", {"text": "t", "label": "sport"})
    scored = one(tmp_path / "b.jsonl", {"sentence1": "s", "sentence2": "t", "score": 3})

    assert (label.kind, label.label) == ("labels", "sport")
    assert (scored.kind, scored.positives, scored.score) == ("scored", ("t",), 3.0)


def test_a_task_is_what_its_fields_say(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"query": "q", "pos": ["p"], "task": "qa", "lang": "de"}])

    assert next(read([path], ("task", "lang"))).task == "qa/de"
    assert next(read([path], ("nothing",))).task == "a"


def test_flagembeddings_mark_in_a_name_is_kept(tmp_path: Path) -> None:
    row = one(tmp_path / "classes_no_in_batch_neg" / "a.jsonl", {"query": "q", "pos": ["p"]})

    assert row.task == "a/no_in_batch_neg"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('{"query": "q", "pos": "p"}', "a.jsonl:2: 'pos' must be a list of texts, not 'p'"),
        ('{"query": "q", "pos": []}', "a.jsonl:2: a query without a positive"),
        ('{"query": " ", "pos": ["p"]}', "a.jsonl:2: 'query' must be a text, not ' '"),
        ('{"query": "q", "pos": ["p"], "neg": ["p"]}', "a.jsonl:2: both positive and negative: 'p'"),
        ('{"query": "q", "pos": ["p"], "scores": [1, 2]}', "a.jsonl:2: 1 and 1 scores for 1 positives and 0"),
        ('{"prompt": "q"}', "a.jsonl:2: no query; the row has prompt. Known: query and pos"),
        ('{"a": "x", "b": "y"}', "a.jsonl:2: a pair of texts needs a number as its score, not None"),
        ("[1]", "a.jsonl:2: a row is an object"),
        ("{", "a.jsonl:2: not JSON"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"query": "q", "pos": ["p"]}) + f"\n{row}\n")

    with pytest.raises(BadData) as error:
        list(read([path]))

    assert complaint in str(error.value)


def test_nothing_there_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"is not there: give files or folders of .jsonl"):
        list(read([tmp_path / "absent.jsonl"]))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [
        Row("q", ("p",), ("n",), (0.5,), (0.1,), task="t", instruction="find"),
        Row("x", label="sport", task="t"),
        Row("a", ("b",), score=2.0, task="sts"),
    ]

    write_rows(tmp_path / "out.jsonl.gz", iter(rows))

    assert list(read([tmp_path / "out.jsonl.gz"])) == rows


def beir(folder: Path, qrels: str = "qrels.tsv") -> Path:
    lines(folder / "corpus.jsonl", [{"_id": "d1", "title": "T", "text": "x"}, {"_id": "d2", "text": "y"}])
    lines(folder / "queries.jsonl", [{"_id": "q1", "text": "ask", "lang": "en"}])
    (folder / qrels).parent.mkdir(exist_ok=True)
    (folder / qrels).write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    return folder


@pytest.mark.parametrize("qrels", ["qrels.tsv", "qrels/test.tsv"])
def test_a_beir_folder_is_a_task_and_training_data(tmp_path: Path, qrels: str) -> None:
    folder = beir(tmp_path / "task", qrels)

    task = read_beir(folder)

    assert task.corpus == {"d1": "T\nx", "d2": "y"}
    assert task.relevant == {"q1": {"d1": 2}}
    assert task.languages == {"q1": "en"}
    assert list(read([folder])) == [Row("ask", ("T\nx",), task="task")]


def test_a_judgement_of_an_unknown_document_is_refused(tmp_path: Path) -> None:
    folder = beir(tmp_path / "task")
    with (folder / "qrels.tsv").open("a") as file:
        file.write("q1\td9\t1\n")

    with pytest.raises(BadData, match=r"qrels.tsv:4: 'd9' is in neither"):
        read_beir(folder)
