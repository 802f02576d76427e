"""eml and mbox -> elements."""

import email
import re
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from email.policy import default
from pathlib import Path, PurePath

from ingest.errors import FileTooLarge
from ingest.parse.decode import clean, decode, read_bytes
from ingest.parse.letter import Attachment, Body, Mail, attachment_name, mail_to_elements
from ingest.records import Element

_PEOPLE = ("From", "To", "Cc", "Date")
_FROM = re.compile(rb"From \S+ .*\d{4}")
"""How each mail in a mailbox begins."""
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAIL_BYTES = 64 << 20
"""Of one mail in a mailbox; the attachments of a larger one are cut off."""
_LINE_BYTES = 8 << 20


def read_eml(path: Path, name: str, with_attachments: bool) -> Iterator[Element]:
    yield from mail_to_elements(_mail(_parse(read_bytes(path, name)), name), name, with_attachments)


def read_mbox(path: Path, name: str, with_attachments: bool) -> Iterator[Element]:
    """Mail by mail, however many, under the name of the mailbox."""
    yield Element("title", PurePath(name).stem)
    for data in _mails(path, name):
        yield from mail_to_elements(_mail(_parse(data), name), name, with_attachments, level=1)


def people(message: EmailMessage) -> str:
    return "\n".join(f"{field}: {value}" for field in _PEOPLE if (value := _header(message, field)))


def _mails(path: Path, name: str) -> Iterator[bytes]:
    """The mails of a mailbox. The standard library's reader takes a sentence that begins with From for a
    new mail, loses that line, and holds a line of any length in memory."""
    mail = bytearray()
    after_blank = True
    with path.open("rb") as file:
        while line := file.readline(_LINE_BYTES):
            if len(line) == _LINE_BYTES:
                raise FileTooLarge(f"{name} has a line of more than {_LINE_BYTES >> 20} MB: it is no mailbox")
            if after_blank and _FROM.match(line):
                if mail.strip():
                    yield _QUOTED_FROM.sub(rb"\1", bytes(mail))
                mail.clear()
            elif len(mail) < _MAIL_BYTES:
                mail += line
            after_blank = not line.strip()
    if mail.strip():
        yield _QUOTED_FROM.sub(rb"\1", bytes(mail))


def _parse(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def _mail(message: EmailMessage, name: str) -> Mail:
    return Mail(_header(message, "Subject"), people(message), _parts(message, name))


def _parts(part: MIMEPart, name: str) -> Iterator[Body | Attachment | Mail]:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        for inner in part.get_payload():
            assert isinstance(inner, EmailMessage)
            yield _mail(inner, name)
    elif kind == "multipart/alternative" and part.is_multipart():
        yield from _best(part, name)
    elif part.is_multipart() and part.get_content_maintype() == "multipart":
        for inner in part.iter_parts():
            yield from _parts(inner, name)
    elif _is_body(part):
        yield _body(part, name)
    else:
        data = part.get_payload(decode=True)
        found = attachment_name(part.get_filename(), kind)
        yield Attachment(found, data if isinstance(data, bytes) else None)


def _best(alternative: MIMEPart, name: str) -> Iterator[Body | Attachment | Mail]:
    """Of several versions of one text the plain one, unless it is empty; and what is attached to any."""
    versions = [part for inner in alternative.iter_parts() for part in _parts(inner, name)]
    bodies = [part for part in versions if isinstance(part, Body) and part.text.strip()]
    plain = [body for body in bodies if not body.is_html]
    yield from plain or bodies
    yield from (part for part in versions if not isinstance(part, Body))


def _is_body(part: MIMEPart) -> bool:
    """Also a text after a picture, the footer of a mailing list, and what only says that it has parts."""
    if part.get_content_maintype() == "multipart":
        return True
    return part.get_content_maintype() == "text" and not part.is_attachment() and not part.get_filename()


def _body(part: MIMEPart, name: str) -> Body:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    text = decode(data, name, part.get_content_charset()) if data.strip() else ""
    return Body(text, is_html=part.get_content_type() == "text/html")


def _header(message: EmailMessage, field: str) -> str:
    try:
        return clean(str(message.get(field) or "")).strip()
    except (ValueError, IndexError, AttributeError):  # headers the standard library can't take apart
        return ""
