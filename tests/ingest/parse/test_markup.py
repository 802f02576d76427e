"""Markdown and xml: headings, items and sentences as they are shown."""

from collections.abc import Callable
from pathlib import Path

from ingest.records import Element
from ingest.worker import ParseWorker

Read = Callable[[str, str | bytes], list[Element]]


def texts(elements: list[Element]) -> list[str]:
    return [element.text for element in elements]


def test_front_matter_gives_the_title_whatever_the_line_ends(read: Read) -> None:
    assert texts(read("a.md", '---\r\ntitle: "Rules"\r\n---\r\n\r\nBe kind.\r\n')) == ["Rules", "Be kind."]


def test_code_in_an_item_stays_code_and_the_item_goes_on(read: Read) -> None:
    text = "1. First:\n\n   ```js\n   <li>\n     x\n   </li>\n   ```\n2. Second\n\nPlain:\n\n    indented"

    found = [(element.kind, element.text) for element in read("a.md", text)]

    assert found == [
        ("list", "First:"), ("code", "<li>\n  x\n</li>"), ("list", "Second"), ("text", "Plain:"),
        ("code", "indented"),
    ]  # fmt: skip


def test_items_indented_too_far_are_items_still(read: Read) -> None:
    found = read("a.md", "*    *   1.1\n\n    *   Fee\n        due\n")

    assert [(element.kind, element.text) for element in found] == [("list", "1.1"), ("list", "Fee due")]


def test_sentences_of_xml_are_whole_and_labels_stand_before_their_text(read: Read) -> None:
    xml = (
        "<law><title>Act</title><s><n>(1)</n><p><b>Bold</b> then <i>more</i>.<c>a</c><c>b</c></p></s>"
        "<!-- no --><p>End</p></law>"
    )

    assert texts(read("a.xml", xml)) == ["Act", "(1) Bold then more.a b", "End"]


def test_readers_open_no_socket(tmp_path: Path) -> None:
    for name, content in (("a.md", "# A\n\nText."), ("a.html", "<html><body><p>Text.</p></body></html>")):
        (tmp_path / name).write_text(content)
    worker = ParseWorker()  # its audit hook refuses connections and name look-ups

    for path in (tmp_path / "a.md", tmp_path / "a.html"):
        assert worker.parse(path, path.name)
    worker.close()
