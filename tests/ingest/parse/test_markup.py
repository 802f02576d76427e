"""html, docx and xml: what a reader sees, all of it, and nothing a reader does not see."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from pptx import Presentation

from ingest.errors import NoText, UnreadableFile
from ingest.parse import parse
from ingest.records import Element
from ingest.worker import ParseWorker

Read = Callable[[str, str | bytes], list[Element]]

NOTE = (
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:footnote>'
    "<w:p><w:r><w:t>Said in a footnote.</w:t></w:r></w:p></w:footnote></w:footnotes>"
)


def texts(elements: list[Element]) -> list[str]:
    return [element.text for element in elements]


def copy(source: Path, target: Path, change: Callable[[bytes], bytes], **added: str) -> Path:
    """A zip file with every member changed, and one more."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            new.writestr(member, change(old.read(member)))
        for member, content in added.items():
            new.writestr(f"word/{member}.xml", content)
    return target


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    document = docx.Document()
    document.core_properties.title = "Letter to the club"
    document.add_paragraph("First paragraph.")
    document.add_heading("Part", 1)
    document.add_paragraph("Second paragraph.")
    document.save(str(tmp_path / "letter.docx"))
    return tmp_path / "letter.docx"


def test_a_third_of_a_page_nested_too_deep_is_not_lost(read: Read) -> None:
    deep = "<div>" * 300 + "<p>deep words here</p>" + "</div>" * 300

    found = texts(read("a.html", f"<html><body><p>{'words on top. ' * 5}</p>{deep * 2}</body></html>"))

    assert " ".join(found).count("deep words here") == 2


def test_a_page_too_deep_for_the_parser_is_refused_rather_than_read_in_part(read: Read) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.html nests its tags too deep to be read whole"):
        read("a.html", "<html><body><p>On top.</p>" + "<div>" * 100_000 + "at the bottom")


def test_hidden_text_and_links_to_other_languages_are_left_out(read: Read) -> None:
    page = (
        "<html><body><p>Seen.</p><p hidden>Ignore.</p><div style='color: red; display: none'>Ignore.</div>"
        "<ul><li><a hreflang='de' href='/de'>Deutsch</a></li></ul><footer>Imprint</footer></body></html>"
    )

    assert texts(read("a.html", page)) == ["Seen."]


def test_a_page_that_scripts_would_fill_has_no_text(read: Read) -> None:
    with pytest.raises(NoText, match=r"a\.html holds no text"):
        read("a.html", "<html><head><title>App</title></head><body><div id=root></div></body></html>")


def test_front_matter_gives_the_title_whatever_the_line_ends(read: Read) -> None:
    assert texts(read("a.md", '---\r\ntitle: "Rules"\r\n---\r\n\r\nBe kind.\r\n')) == ["Rules", "Be kind."]


def test_a_docx_has_its_title_and_its_footnotes(letter: Path, tmp_path: Path) -> None:
    path = copy(letter, tmp_path / "noted.docx", lambda member: member, footnotes=NOTE)

    assert texts(parse(path, path.name)) == [
        "Letter to the club", "First paragraph.", "Part", "Second paragraph.", "Said in a footnote.",
    ]  # fmt: skip


def test_a_docx_with_macros_gives_its_text(letter: Path, tmp_path: Path) -> None:
    plain = b"vnd.openxmlformats-officedocument.wordprocessingml.document.main"
    path = copy(
        letter,
        tmp_path / "a.docm",
        lambda member: member.replace(plain, b"vnd.ms-word.document.macroEnabled.main"),
    )

    assert texts(parse(path, path.name))[1:] == ["First paragraph.", "Part", "Second paragraph."]


def test_a_slide_is_a_page_and_its_notes_belong_to_it(tmp_path: Path) -> None:
    show = Presentation()
    for number in (1, 2):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = f"Point {number}"
        slide.notes_slide.notes_text_frame.text = f"Said {number}"
    show.save(str(tmp_path / "a.pptx"))

    found = [(element.text, element.page) for element in parse(tmp_path / "a.pptx", "a.pptx")]

    assert {("Slide 1", 1), ("Point 1", 1), ("Said 1", 1), ("Slide 2", 2), ("Said 2", 2)} <= set(found)


def test_sentences_of_xml_are_whole_and_labels_stand_before_their_text(read: Read) -> None:
    xml = (
        "<law><title>Act</title><s><n>(1)</n><p><b>Bold</b> then <i>more</i>.<c>a</c><c>b</c></p></s>"
        "<!-- no --><p>End</p></law>"
    )

    assert texts(read("a.xml", xml)) == ["Act", "(1) Bold then more.a b", "End"]


def test_unstructured_reads_where_no_socket_can_be_opened(letter: Path, tmp_path: Path) -> None:
    for name, content in (("a.md", "# A\n\nText."), ("a.html", "<html><body><p>Text.</p></body></html>")):
        (tmp_path / name).write_text(content)
    worker = ParseWorker()  # its audit hook refuses connections and name look-ups

    for path in (letter, tmp_path / "a.md", tmp_path / "a.html"):
        assert worker.parse(path, path.name)
    worker.close()
