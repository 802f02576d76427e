"""The model in the package: it is there without a network, it is the one that was measured, it crosses
languages."""

import json
from pathlib import Path

import numpy as np
import pytest

import embedder
from embedder.catalog import CATALOG
from embedder.locate import locate

MOST_MB = 40


@pytest.fixture(scope="module", params=["fp32", "bf16", "int8"])
def nano(request: pytest.FixtureRequest) -> embedder.Encoder:
    return embedder.load("kalm-nano", "cpu", request.param)


def test_it_comes_with_the_package_and_is_small() -> None:
    entry, folder = locate("kalm-nano")

    assert entry is CATALOG["kalm-nano"]
    assert folder.parent == Path(embedder.__file__).parent
    assert sum(file.stat().st_size for file in folder.rglob("*")) < MOST_MB * 1e6
    assert {"README.md", "golden.json"} < {file.name for file in folder.iterdir()}


def test_its_vectors_are_the_golden_ones_in_every_precision(nano: embedder.Encoder) -> None:
    golden = json.loads((locate("kalm-nano")[1] / "golden.json").read_text(encoding="utf-8"))

    queries, documents = nano.encode_queries(golden["texts"]), nano.encode_documents(golden["texts"])

    assert (queries * np.array(golden["queries"])).sum(axis=1).min() > 0.995
    assert (documents * np.array(golden["documents"])).sum(axis=1).min() > 0.995


@pytest.mark.parametrize("dim", [512, 128])
def test_questions_find_their_english_sentence(nano: embedder.Encoder, dim: int) -> None:
    questions = {
        "de": "Wann beginnt die Schule?",
        "fr": "À quelle heure commence l'école ?",
        "es": "¿Cuándo empieza la escuela?",
        "ru": "Когда начинается школа?",
        "ja": "学校は何時に始まりますか",
        "en": "What time does school start?",
    }
    sentences = [
        "School begins at eight in the morning.",
        "My father works in a hospital.",
        "The train to Berlin was late again.",
        "She drinks a cup of coffee every day.",
        "The water in the lake is very cold.",
    ]

    scores = nano.encode_queries([*questions.values()], dim=dim) @ nano.encode_documents(sentences, dim=dim).T

    right = {language for language, row in zip(questions, scores, strict=True) if row.argmax() == 0}
    assert {"de", "en"} <= right
    assert len(right) >= 4  # it crosses languages often, not always: docs/nano.md


def test_parts_of_a_long_text_have_vectors_of_their_own(nano: embedder.Encoder) -> None:
    text = "The museum is closed on Mondays. " * 80 + "Bread is baked from flour and water."
    parts = [(0, 32), (len(text) - 36, len(text))]

    vectors = nano.encode_spans(text, parts)

    scores = nano.encode_queries(["Wie wird Brot gebacken?"]) @ vectors.T
    assert scores.argmax() == 1
