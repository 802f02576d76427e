"""Mails: every text part is read, whatever it says about itself, and every file in them by its own reader."""

from collections.abc import Callable
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import Workbook

from ingest.errors import FileTooLarge, NoText
from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]


def mail(subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message.set_content(text)
    return message


def test_a_text_behind_a_picture_is_read_too(read: Read) -> None:
    message = mail("Plan", "Before.")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="plan.png")
    message.add_attachment("After the picture.", disposition="inline")

    assert [element.text for element in read("a.eml", message.as_bytes())] == [
        "Plan",
        "Before.",
        "After the picture.",
        "Attachments, not read: plan.png",
    ]


def test_attachments_are_sections_read_by_what_they_are(read: Read) -> None:
    workbook, saved = Workbook(), BytesIO()
    workbook.active.title = "Prices"
    for row in (["name", "price"], ["tea", 3]):
        workbook.active.append(row)
    workbook.save(saved)
    message = mail("Offer", "See below.")
    message.add_attachment(saved.getvalue(), maintype="application", subtype="pdf", filename="C:\\wrong.pdf")
    message.add_attachment("# Notes\n\nMore.", subtype="markdown", filename="notes.md")
    message.add_attachment(b"%PDF-1.4 garbage", maintype="application", subtype="pdf", filename="broken.pdf")

    assert read("a.eml", message.as_bytes()) == [
        Element("title", "Offer"),
        Element("text", "See below."),
        Element("title", "wrong.pdf", depth=1),
        Element("title", "Prices", depth=3),
        Element("table", "name | price\ntea | 3"),
        Element("title", "notes.md", depth=1),
        Element("title", "Notes", depth=2),
        Element("text", "More."),
        Element("text", "Attachments, not read: broken.pdf"),
    ]


@pytest.mark.parametrize("name", ["../../evil.md", "/etc/cron.d/evil.md", "C:\\Windows\\evil.md"])
def test_the_name_of_an_attachment_is_only_a_label(read: Read, tmp_path: Path, name: str) -> None:
    message = mail("Offer", "See below.")
    message.add_attachment("# Notes", subtype="markdown", filename=name)

    assert Element("title", "evil.md", depth=1) in read("a.eml", message.as_bytes())
    assert not list(tmp_path.parent.rglob("evil.md"))


def test_mails_in_mails_are_read_five_deep_and_their_attached_files_too(read: Read) -> None:
    message = mail("Mail 8", "Text 8.")
    for number in range(7, -1, -1):
        outer = mail(f"Mail {number}", f"Text {number}.")
        outer.add_attachment(message)
        message = outer

    found = read("a.eml", message.as_bytes())

    assert [element.text for element in found if element.kind == "title"] == [f"Mail {n}" for n in range(6)]
    assert found[-1].text == "Attachments, not read: Mail 6"


def test_a_mail_file_in_a_mail_names_its_attachments_without_reading_them(read: Read) -> None:
    inner = mail("Inner", "Deep.")
    inner.add_attachment("x", filename="inner.txt")
    message = mail("Outer", "Top.")
    message.add_attachment(inner.as_bytes(), maintype="application", subtype="octet-stream", filename="i.eml")

    assert [element.text for element in read("a.eml", message.as_bytes())] == [
        "Outer",
        "Top.",
        "i.eml",
        "Inner",
        "Deep.",
        "Attachments, not read: inner.txt",
    ]


def test_an_empty_plain_version_does_not_hide_the_html_one(read: Read) -> None:
    message = mail("s", "\n")
    message.add_alternative("<p>Only here.</p>", subtype="html")
    message.add_attachment("signed below", filename="a.txt")
    outer = EmailMessage()
    outer.make_mixed()
    outer.attach(message)  # as mailing lists wrap it
    outer.add_attachment("The list.", disposition="inline")

    assert [element.text for element in read("a.eml", outer.as_bytes())] == [
        "Only here.",
        "The list.",
        "a.txt",
        "signed below",
    ]


def test_a_mailbox_is_read_mail_by_mail_and_a_sentence_with_from_begins_none(read: Read) -> None:
    box = (
        "From ada@example.com Mon Jan  1 10:00:00 2024\nSubject: One\n\nFirst.\n\nFrom here on it rains.\n"
        ">From 2023 to 2024.\n\nFrom - Tue Jan  2 10:00:00 2024\nSubject: Two\n\nSecond.\n"
    )

    assert read("box", box) == [
        Element("title", "box"),
        Element("title", "One", depth=1),
        Element("text", "First."),
        Element("text", "From here on it rains.\nFrom 2023 to 2024."),
        Element("title", "Two", depth=1),
        Element("text", "Second."),
    ]


def test_a_mailbox_of_one_line_is_refused_before_it_fills_the_memory(read: Read) -> None:
    with pytest.raises(FileTooLarge, match="a line of more than 8 MB: it is no mailbox"):
        read("a.mbox", b"From a@b.c Mon Jan  1 10:00:00 2024\n\n" + b"x" * (9 << 20))


def test_a_mail_that_says_latin1_and_means_windows_is_read_as_it_was_meant(read: Read) -> None:
    head = b"From: a\nTo: b\nMIME-Version: 1.0\nSubject: s\nContent-Type: text/plain; charset=iso-8859-1\n"
    message = head + b"Content-Transfer-Encoding: 8bit\n\n5 \x80 f\xfcr \x93alles\x94\n"

    assert read("a.eml", message)[-1].text == "5 € für “alles”"


def test_a_mail_without_subject_and_text_is_empty(read: Read) -> None:
    with pytest.raises(NoText):
        read("a.eml", b"MIME-Version: 1.0\nMessage-ID: <1>\nX-From: a\n\n\n")
