"""json and jsonl: records as a person would note them."""

from collections.abc import Callable

from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]


def test_a_record_is_its_title_and_a_line_for_each_value(read: Read) -> None:
    record = '{"name": "Ada", "at": {"town": "Köln"}, "likes": ["tea", "maths"], "age": 36, "none": null}'

    assert read("a.json", record) == [
        Element("title", "Ada"),
        Element("text", "at.town: Köln\nlikes: tea, maths\nage: 36"),
    ]


def test_lists_in_an_object_are_sections_of_records(read: Read) -> None:
    content = '{"version": 2, "people": [{"name": "Ada"}, {"name": "Ben", "age": 3}], "tags": ["a", "b"]}'

    assert read("a.json", content) == [
        Element("text", "version: 2\ntags: a, b"),
        Element("title", "people", depth=1),
        Element("title", "Ada", depth=2),
        Element("title", "Ben", depth=2),
        Element("text", "age: 3"),
    ]


def test_records_in_records_keep_their_path(read: Read) -> None:
    assert read("a.json", '[{"a": [{"b": 1}, {"b": [2, {"c": true}]}]}]') == [
        Element("text", "a.b: 1\na.b: 2\na.b.c: true")
    ]


def test_a_line_is_a_record_and_one_that_is_broken_is_shown_as_it_is(read: Read) -> None:
    assert read("a.jsonl", '{"title": "One", "text": "first"}\n\n{"title": "Tw\n"alone"\n') == [
        Element("title", "One", depth=1),
        Element("text", "text: first"),
        Element("code", '{"title": "Tw'),
        Element("text", "alone"),
    ]


def test_what_says_it_is_json_and_is_not_is_read_all_the_same(read: Read) -> None:
    assert read("settings.json", '// a comment\n{"a": 1}\n')[0].kind == "code"
    assert read("lines.json", '{"a": 1}\n{"a": 2}\n') == [Element("text", "a: 1"), Element("text", "a: 2")]
