"""A mail, whatever file it was in -> elements: subject, people, text, and what is attached."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ingest.errors import IngestError
from ingest.parse.decode import clean
from ingest.parse.html import read_html
from ingest.parse.plain import unwrap, wrap_width
from ingest.records import Element

log = logging.getLogger(__name__)

_DEEPEST = 5
"""Mails inside of mails; deeper ones are named."""
_ATTACHED_CHARS = 32 << 20
"""Of text from the attachments of one mail; then the others are named."""


@dataclass(frozen=True, slots=True)
class Body:
    """One of the texts of a mail."""

    text: str
    is_html: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail; without content if it is elsewhere, or not to be had."""

    name: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Mail:
    """What every format of mail holds."""

    subject: str
    people: str
    """`From: …`, `To: …`, `Date: …`, a line each."""
    parts: Iterable["Body | Attachment | Mail"]
    """In their order; taken once."""


def mail_to_elements(mail: Mail, name: str, with_attachments: bool, level: int = 0) -> Iterator[Element]:
    """The subject is a title, at `level`; every attachment is a section below it, read by its own reader.

    An attachment that can't be read is named at the end, and does no harm to the others. Mails in it are
    read without their attachments.
    """
    if mail.subject or level:
        yield Element("title", mail.subject or "(no subject)", depth=level)
    if mail.people:
        yield Element("text", mail.people)
    waiting: list[Attachment | Mail] = []
    for part in mail.parts:
        if isinstance(part, Body):
            yield from _paragraphs(part, name)
        else:
            waiting.append(part)
    unread = []
    chars = 0
    for part in waiting:
        if isinstance(part, Mail):
            if level < _DEEPEST:
                yield from mail_to_elements(part, name, with_attachments, level + 1)
            else:
                unread.append(part.subject or "(no subject)")
        elif with_attachments and part.content and chars < _ATTACHED_CHARS and (found := _read(part)):
            yield Element("title", part.name, depth=level + 1)
            for element in found:
                chars += len(element.text)
                is_title = element.kind == "title"
                yield replace(element, depth=element.depth + level + 2 if is_title else 0, page=None)
        else:
            unread.append(part.name)
    if unread:
        yield Element("text", "Attachments, not read: " + ", ".join(unread))


def _read(attachment: Attachment) -> list[Element]:
    """Nothing for what can't be read: the log says why."""
    from ingest.parse import elements_of

    assert attachment.content is not None
    with tempfile.NamedTemporaryFile(prefix="kalm-attached-") as file:
        file.write(attachment.content)
        file.flush()
        try:
            return list(elements_of(Path(file.name), attachment.name, with_attachments=False))
        except (IngestError, MemoryError) as error:
            log.info("an attachment is not read: %s", error or "out of memory")
            return []


def attachment_name(name: str | None, otherwise: str) -> str:
    """The file name alone, on one line: some programs send the whole path."""
    return " ".join(clean(PurePath((name or "").replace("\\", "/")).name).split()) or otherwise


def _paragraphs(body: Body, name: str) -> Iterator[Element]:
    if not body.text.strip():
        return
    if body.is_html:
        yield from read_html(body.text, name)
        return
    width = wrap_width(body.text)
    for paragraph in body.text.split("\n\n"):
        if paragraph.strip():
            yield Element("text", unwrap(paragraph.strip(), width))
