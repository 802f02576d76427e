"""The sample library: what it promises, and that its binary files are what their sources make."""

import json
from pathlib import Path

import pytest

import app.sample
from app.sample.build import build
from ingest import language
from ingest.parse import parse

FOLDER = Path(app.sample.__file__).parent
LIBRARY = FOLDER / "library"
QUERIES = [json.loads(line) for line in (FOLDER / "queries.jsonl").read_text(encoding="utf-8").splitlines()]


def text_of(path: Path) -> str:
    return " ".join(element.text for element in parse(path, path.name))


def test_it_has_many_languages_and_every_format() -> None:
    files = list(LIBRARY.iterdir())

    languages = {language.detect(text_of(path)) for path in files}
    assert len(languages) >= 15
    assert {path.suffix for path in files} == {
        ".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".txt", ".eml",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in files) < 500_000


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["query"])
def test_every_question_has_its_answer_in_its_document(query: dict[str, str]) -> None:
    text = text_of(LIBRARY / query["document"])

    assert query["answer"].replace(" ", "") in text.replace(" ", "").replace("\n", "")


def test_building_it_again_gives_the_same_bytes(tmp_path: Path) -> None:
    made = build(tmp_path)

    assert len(made) == 16
    for path in made:
        assert path.read_bytes() == (LIBRARY / path.name).read_bytes(), path.name
