"""Mails: every text part is read, whatever it says about itself."""

from collections.abc import Callable
from email.message import EmailMessage

import pytest

from ingest.errors import NoText
from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]


def test_a_text_behind_a_picture_is_read_too(read: Read) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Plan"
    mail.set_content("Before.")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="plan.png")
    mail.add_attachment("After the picture.", disposition="inline")

    assert [element.text for element in read("a.eml", mail.as_bytes())] == [
        "Plan",
        "Before.",
        "After the picture.",
        "Attachments, not read: plan.png",
    ]


def test_a_mail_that_says_latin1_and_means_windows_is_read_as_it_was_meant(read: Read) -> None:
    head = b"From: a\nTo: b\nMIME-Version: 1.0\nSubject: s\nContent-Type: text/plain; charset=iso-8859-1\n"
    mail = head + b"Content-Transfer-Encoding: 8bit\n\n5 \x80 f\xfcr \x93alles\x94\n"

    assert read("a.eml", mail)[-1].text == "5 € für “alles”"


def test_a_mail_without_subject_and_text_is_empty(read: Read) -> None:
    with pytest.raises(NoText):
        read("a.eml", b"MIME-Version: 1.0\nMessage-ID: <1>\nX-From: a\n\n\n")
