"""Files of queries: what is read from each form, and errors that name file and line."""

import json
from pathlib import Path

import pytest

from app.evaluation.sets import InvalidSet, Query, Relevant, Row, corpus_of, read_set


def lines(*rows: dict[str, object]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


BEIR = {
    "queries.jsonl": lines(
        {"_id": "q1", "text": "where does the battery go", "lang": "en"},
        {"_id": "q2", "text": "nobody judged this"},
        {"_id": "q3", "text": "Wohin mit dem Akku?", "lang": "de"},
    ),
    "qrels.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq3\td1\t1\n",
    "corpus.jsonl": lines(
        {"_id": "d1", "title": "Battery", "text": "Cool."}, {"_id": "d2", "text": "Bread."}
    ),
}


def test_a_beir_folder_gives_the_queries_that_something_is_relevant_to() -> None:
    assert read_set(BEIR) == [
        Query("q1", "where does the battery go", "en", (Relevant("d1", grade=2.0),)),
        Query("q3", "Wohin mit dem Akku?", "de", (Relevant("d1"),)),
    ]


def test_lines_on_one_query_are_one_query() -> None:
    csv = (
        '\ufeffquery,document,grade,language\n"battery, cold?",a.md,2,en\n"battery, cold?",b.md,,\n'.encode()
    )

    (query,) = read_set({"my.csv": csv})

    assert (query.text, query.language) == ("battery, cold?", "en")
    assert query.relevant == (Relevant("a.md", grade=2.0), Relevant("b.md"))


def test_json_lines_may_name_several_documents_and_a_passage() -> None:
    text = "Wo lagert man den Akku im Winter am besten?"
    row = lines({"query": text, "document": ["a.md", "b.md"], "passage": "kühl und trocken"})

    (query,) = read_set({"my.jsonl": row})

    assert query.language == "de"  # told by its words
    assert query.relevant == (Relevant("a.md", "kühl und trocken"), Relevant("b.md", "kühl und trocken"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": b"query,document\nq,\n"}, "a.csv:2: no document"),
        ({"a.csv": b"query,file\nq,d\n"}, "a.csv:1: the first line must name the columns; missing: document"),
        ({"a.csv": b"query,document,grade\nq,d,1\nq,e,high\n"}, "a.csv:3: grade 'high' is no number"),
        ({"a.csv": b"query,document,grade\nq,d,nan\n"}, "a.csv:2: grade 'nan' is no number"),
        ({"a.csv": b'query,document\n"q,d\n'}, "a.csv:2: unexpected end of data"),
        ({"a.csv": b"query,document\nq,d\n\xff,d\n"}, "a.csv:3: not UTF-8; save the file as UTF-8"),
        ({"a.csv": b"query,document,grade\nq,d,0\n"}, "a.csv: no query with a relevant document"),
        ({"a.csv": b""}, "a.csv:1: the first line must name the columns; missing: query, document"),
        ({"a.csv": b"query,document\n" + b"x" * 4001 + b",d\n"},
         "a.csv:2: a query of 4001 characters; at most 4000 can be asked"),
        ({"a.jsonl": b'{"query": "q", "document": "d"}\n\n{"query": '}, "a.jsonl:3: not JSON"),
        ({"a.jsonl": b"[]"}, "a.jsonl:1: must be a JSON object"),
        ({"a.jsonl": b'{"query": "q"}'}, "a.jsonl:1: `document` must be the name of a document, or a list"),
        ({"a.jsonl": b'{"query": "q", "document": ["d", 3]}'}, "a.jsonl:1: `document` must be the name"),
        ({"a.jsonl": b'{"document": "d"}'}, "a.jsonl:1: no query"),
        ({"a.txt": b""}, "a.txt: queries come as .csv or .jsonl, or as a BEIR folder"),
        ({"a.csv": b"", "b.csv": b""}, "a.csv, b.csv: give one .csv or .jsonl, or queries.jsonl"),
        ({}, "no file: give one .csv"),
        ({**BEIR, "qrels.tsv": b"query-id\tcorpus-id\tscore\nq9\td1\t1\n"},
         "qrels.tsv:2: no query 'q9' in queries.jsonl"),
        ({**BEIR, "qrels.tsv": b"query-id\tcorpus-id\tscore\nq1\td9\t1\n"},
         "qrels.tsv:2: no document 'd9' in corpus.jsonl"),
        ({**BEIR, "queries.jsonl": lines({"_id": "q", "text": "a"}, {"_id": "q", "text": "b"})},
         "queries.jsonl:2: query 'q' is there twice"),
        ({**BEIR, "corpus.jsonl": lines({"_id": "d1", "text": " "})}, "corpus.jsonl:1: no text"),
    ],
)  # fmt: skip
def test_an_error_says_file_and_line(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(InvalidSet) as error:
        read_set(files)

    assert str(error.value).startswith(message)


def test_documents_without_a_corpus_are_refused() -> None:
    with pytest.raises(InvalidSet, match=r"a.csv: documents come from a corpus.jsonl; there is none"):
        corpus_of({"a.csv": b""})


def test_a_row_becomes_html_in_which_its_text_means_nothing_else() -> None:
    row = Row("a/b:1", "Cells & <b>", "# 1 < 2\n\n- no list")

    assert row.name == "a%2Fb%3A1.html"
    assert b"<h1>Cells &amp; &lt;b&gt;</h1><p># 1 &lt; 2</p><p>- no list</p>" in row.content


def test_the_sample_librarys_own_queries_are_a_set() -> None:
    path = Path(__file__).parents[3] / "app" / "sample" / "queries.jsonl"

    queries = read_set({path.name: path.read_bytes()})

    assert {query.language for query in queries} >= {"en", "de", "zh", "th"}
    assert all(query.relevant for query in queries)
