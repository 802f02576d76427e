"""Chunks: nothing lost, nothing too long, nothing cut that need not be."""

import re

import pytest

from embedder.fake import FakeEncoder
from ingest.chunk import chunk, embedded_text
from ingest.records import Chunk, Element

spans = FakeEncoder().token_spans

SENTENCES = {
    "en": "The battery wants a cool and dry place in winter. ",
    "de": "Der Akku gehört im Winter an einen kühlen Ort. ",
    "zh": "冬天电池要放在阴凉干燥的地方。",
    "ja": "冬は電池を涼しい場所に置いてください。",
    "th": "ในฤดูหนาวควรเก็บแบตเตอรี่ไว้ในที่เย็นและแห้งเสมอนะครับ ",
    "ar": "يجب حفظ البطارية في مكان بارد وجاف. ",
    "hi": "सर्दियों में बैटरी को ठंडी जगह पर रखें। ",
}


def made(elements: list[Element], max_tokens: int = 60) -> list[Chunk]:
    return list(chunk(elements, version="v", name="a file.md", token_spans=spans, max_tokens=max_tokens))


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("language", SENTENCES)
def test_a_long_text_is_cut_between_sentences_in_any_script(language: str) -> None:
    sentence = SENTENCES[language]
    chunks = made([Element("title", "Title"), Element("text", sentence * 40)])

    assert len(chunks) > 3
    assert squeezed("".join(one.text for one in chunks)) == squeezed(sentence * 40)
    for one in chunks:
        assert len(spans(embedded_text(one, spans, 60))) <= 60
        assert squeezed(one.text).startswith(squeezed(sentence)[:8])
        assert one.language == language


def test_a_sentence_longer_than_a_chunk_is_cut_at_a_clause() -> None:
    text = ", ".join(f"word{n} and more" for n in range(100))

    chunks = made([Element("text", text)])

    assert squeezed("".join(one.text for one in chunks)) == squeezed(text)
    assert all(one.text.endswith((",", "more")) for one in chunks)


def test_a_section_ends_a_chunk_and_names_it() -> None:
    body = SENTENCES["en"] * 3
    chunks = made(
        [
            Element("title", "Manual"),
            Element("title", "Storage", depth=1),
            Element("text", body),
            Element("title", "Charging", depth=1),
            Element("title", "In winter", depth=2),
            Element("text", body),
        ]
    )

    assert [one.heading for one in chunks] == [("Storage",), ("Charging", "In winter")]
    assert {one.title for one in chunks} == {"Manual"}
    assert embedded_text(chunks[0], spans, 60).startswith("Manual › Storage\nThe battery")
    assert embedded_text(chunks[1], spans, 60).startswith("In winter\nThe battery")


def test_tiny_sections_share_a_chunk_and_keep_their_headings() -> None:
    elements = [Element("title", "Glossary")]
    for word in ("Akku", "Bremse", "Kette"):
        elements += [Element("title", word, depth=1), Element("text", f"{word} here.")]

    chunks = made(elements)

    assert [one.text for one in chunks] == ["Akku here.\n\nBremse\n\nBremse here.\n\nKette\n\nKette here."]


def test_headings_without_text_are_not_lost() -> None:
    elements = [
        Element("title", "Empty"),
        Element("title", "Also empty"),
        Element("text", "Text."),
        Element("title", "Last"),
    ]

    shown = " ".join(f"{one.title} {' '.join(one.heading)} {one.text}" for one in made(elements))

    assert all(word in shown for word in ("Empty", "Also empty", "Text.", "Last"))
    assert [one.text for one in made([Element("title", "Only"), Element("title", "Titles")])] == [
        "Only\n\nTitles"
    ]


def test_a_table_keeps_its_rows_whole_and_its_header_in_every_chunk() -> None:
    rows = [f"{number} | a longer description of part {number} | in stock" for number in range(40)]

    chunks = made([Element("table", "\n".join(["number | name | state", *rows]))])

    lines = [line for one in chunks for line in one.text.splitlines()]
    assert [line for line in lines if line in rows] == rows
    assert all(one.text.startswith("number | name | state\n") for one in chunks)


def test_a_page_is_that_of_the_first_character() -> None:
    elements = [Element("text", SENTENCES["en"] * 5, page=page) for page in (1, 2, 3)]

    assert next(one.page for one in made(elements)) == 1
    assert {one.page for one in made(elements)} == {1, 2, 3}


def test_a_document_without_a_title_is_called_by_its_file() -> None:
    assert made([Element("text", "Text.")])[0].title == "a file"


def test_a_title_longer_than_a_chunk_does_not_push_the_text_out() -> None:
    chunks = made([Element("title", "word " * 200), Element("text", SENTENCES["en"] * 20)])

    assert all(len(spans(embedded_text(one, spans, 60))) <= 60 for one in chunks)
    assert all(SENTENCES["en"].strip() in one.text for one in chunks)


def test_a_short_passage_has_its_documents_language() -> None:
    elements = [Element("text", SENTENCES["de"] * 5), Element("title", "Neu"), Element("text", "OK 5")]

    assert {one.language for one in made(elements, max_tokens=30)} == {"de"}
