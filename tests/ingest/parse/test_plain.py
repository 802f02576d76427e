"""Plain text: paragraphs put together again, headings found, code left alone."""

from ingest.parse.plain import read_rst, read_text
from ingest.records import Element

WRAPPED = """CHAPTER I

Alice was beginning to get very tired of sitting by her sister on the
bank, and of having nothing to do: once or twice she had peeped into the
book her sister was reading. It had no pictures.

- first point of a list
- second point of it

## Notes

To the memory of
a friend"""


def test_lines_wrapped_for_reading_are_put_together_and_others_are_not() -> None:
    assert [(element.kind, element.text) for element in read_text(WRAPPED)] == [
        ("title", "CHAPTER I"),
        (
            "text",
            "Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
            "nothing to do: once or twice she had peeped into the book her sister was reading. It had no "
            "pictures.",
        ),
        ("text", "- first point of a list\n- second point of it"),
        ("title", "Notes"),
        ("text", "To the memory of\na friend"),
    ]


def test_the_depth_of_rst_headings_follows_their_styles_and_code_is_code() -> None:
    text = (
        "=====\nTitle\n=====\n\n.. contents:: :local:\n   :class: x\n\n.. _label:\n\nPart\n====\n\n"
        "Look::\n\n    first = 1\n\n    if first:\n        second()\n\n.. note:: Mind the gap.\n\nEnd.\n"
    )

    assert list(read_rst(text)) == [
        Element("title", "Title"),
        Element("title", "Part", depth=1),
        Element("text", "Look::"),
        Element("code", "first = 1\n\nif first:\n    second()"),
        Element("text", "Mind the gap."),
        Element("text", "End."),
    ]
