"""eml -> elements: subject, people and date, the text, and mails inside of mails; attachments by name."""

import email
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from ingest.parse.decode import clean, decode
from ingest.parse.markup import read_html
from ingest.parse.plain import unwrap, wrap_width
from ingest.records import Element

_PEOPLE = ("From", "To", "Cc", "Date")
_DEEPEST = 5


def read_mail(path: Path, name: str) -> list[Element]:
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return list(_message(message, name, depth=0))


def _message(message: EmailMessage, name: str, depth: int) -> Iterator[Element]:
    subject = _header(message, "Subject")
    if subject or depth:
        yield Element("title", subject or "(no subject)", depth=depth)
    people = [f"{field}: {value}" for field in _PEOPLE if (value := _header(message, field))]
    if people:
        yield Element("text", "\n".join(people))
    body = message.get_body(("plain", "html"))
    if isinstance(body, EmailMessage):
        yield from _body(body, name)
    attached = []
    for part in message.iter_attachments():
        if part.get_content_type() == "message/rfc822" and depth < _DEEPEST:
            for inner in part.get_payload():
                assert isinstance(inner, EmailMessage)
                yield from _message(inner, name, depth + 1)
        elif part.get_content_maintype() == "text" and not part.is_attachment() and not part.get_filename():
            yield from _body(part, name)  # a text after a picture, the footer of a mailing list
        else:
            attached.append(clean(part.get_filename() or part.get_content_type()))
    if attached:
        yield Element("text", "Attachments, not read: " + ", ".join(attached))


def _body(part: EmailMessage, name: str) -> Iterator[Element]:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    if not data.strip():
        return
    text = decode(data, name, part.get_content_charset())
    if part.get_content_type() == "text/html":
        yield from read_html(text, name)
        return
    width = wrap_width(text)
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield Element("text", unwrap(paragraph.strip(), width))


def _header(message: EmailMessage, field: str) -> str:
    try:
        return clean(str(message.get(field) or "")).strip()
    except (ValueError, IndexError, AttributeError):  # headers the standard library can't take apart
        return ""
