"""pdf: letters in the order they are read, headings, tables, and a clear no for what has no text."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import NoText, PasswordProtected, UnreadableFile
from ingest.parse import parse
from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]
DOCS = Path(__file__).parents[4] / "shared" / "data" / "docs" / "dev"


def pdf(lines: list[tuple[float, str]], password: str | None = None, title: str = "") -> bytes:
    """One page; a line is its letters' size and its text."""
    file = io.BytesIO()
    encrypt = StandardEncryption(password, ownerPassword="owner") if password is not None else None
    canvas = Canvas(file, encrypt=encrypt)
    canvas.setTitle(title)
    height = 800.0
    for size, text in lines:
        canvas.setFont("Helvetica", size)
        canvas.drawString(60, height, text)
        height -= 2 * size
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def test_contents_numbers_and_text_are_told_apart(read: Read) -> None:
    lines = [
        (24, "Report"),
        (10, "Introduction" + "." * 60 + "3"),
        (10, "Alabama 18,870 23,022 22,650 859 1,178"),
        (10, "Alaska 209 3,062 3,209 191 184"),
        (10, "The text goes on over"),
        (10, "two lines."),
    ]

    assert read("a.pdf", pdf(lines)) == [
        Element("title", "Report", page=1),
        Element("text", "Introduction … 3", page=1),
        Element("table", "Alabama 18,870 23,022 22,650 859 1,178\nAlaska 209 3,062 3,209 191 184", page=1),
        Element("text", "The text goes on over two lines.", page=1),
    ]


def test_the_title_it_was_given_comes_first_unless_it_is_a_file_name(read: Read) -> None:
    assert read("a.pdf", pdf([(10, "Text.")], title="Annual report"))[0].text == "Annual report"
    assert read("a.pdf", pdf([(10, "Text.")], title="report_v2.docx"))[0].text == "Text."


def test_an_empty_password_opens_and_a_real_one_is_asked_for(read: Read) -> None:
    assert read("a.pdf", pdf([(10, "Text.")], password=""))[0].text == "Text."
    with pytest.raises(PasswordProtected, match=r"a\.pdf is protected by a password: save it without one"):
        read("a.pdf", pdf([(10, "Text.")], password="secret"))


def test_pages_without_text_are_counted(read: Read) -> None:
    with pytest.raises(NoText, match=r"a\.pdf is pictures only \(0 of 1 pages have text.*OCR"):
        read("a.pdf", pdf([]))


def test_a_truncated_pdf_is_read_or_refused_but_never_empty(read: Read) -> None:
    whole = pdf([(10, "Text.")])
    for length in range(100, len(whole), 100):
        try:
            outcome = read("a.pdf", whole[:length])[0].text
        except (UnreadableFile, NoText) as error:
            outcome = str(error)
        assert outcome == "Text." or outcome.startswith("a.pdf")


def test_something_before_the_first_byte_is_allowed(read: Read) -> None:
    assert read("a.pdf", b"\0\1 junk\n" + pdf([(10, "Text.")]))[0].text == "Text."


@pytest.mark.skipif(not DOCS.is_dir(), reason="the real documents are not beside this checkout")
def test_arabic_ligatures_and_latin_words_in_arabic_are_in_order() -> None:
    path = DOCS / "pdf" / "right_to_left_01.pdf"

    text = parse(path, path.name)[0].text

    assert text.startswith("تحسين الإنتاجية وحل المشكلات من خلال البرمجة بلغة R وPython")
    assert "Python من الأدوات القوية" in text


@pytest.mark.skipif(not DOCS.is_dir(), reason="the real documents are not beside this checkout")
def test_glyphs_without_letters_are_not_taken_for_text() -> None:
    path = DOCS / "pdf" / "react_paper.pdf"

    elements = parse(path, path.name)

    assert "RWRFDELQHW" not in " ".join(element.text for element in elements)
    assert elements[0].text.endswith("SYNERGIZING REASONING AND ACTING IN LANGUAGE MODELS")
    assert [element.text for element in elements if element.depth == 1][:2] == ["ABSTRACT", "1 INTRODUCTION"]
