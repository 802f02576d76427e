"""Outlook's msg -> elements; python-oxmsg opens the container, what is in it is [MS-OXMSG]."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import default
from pathlib import Path

from olefile import OleFileIO
from oxmsg.domain import constants
from oxmsg.domain.encodings import encoding_from_codepage
from oxmsg.domain.model import UnrecognizedCodePageError, UnsupportedEncodingError
from oxmsg.storage import Storage

from ingest.parse.decode import decode, read_bytes
from ingest.parse.letter import Attachment, Body, Mail, attachment_name, mail_to_elements
from ingest.parse.mail import people
from ingest.records import Element

_DISPLAY_CC, _DISPLAY_TO = 0x0E03, 0x0E04
_INNER_MAIL = "__substg1.0_3701000D"
"""[MS-OXMSG] 2.2.2: an attached mail is a folder, not a stream."""
_ROW = struct.Struct("<2xH4xQ")
"""[MS-OXMSG] 2.4.2: type, id, flags and value of a property."""
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LAST = 10 * ((datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1))
_TOP_HEADER, _INNER_HEADER = 32, 24
"""[MS-OXMSG] 2.4.1: bytes before the properties of the mail in the file, and of one inside of it."""


def read_msg(path: Path, name: str, with_attachments: bool) -> Iterator[Element]:
    """A text that is only in Outlook's packed rtf is not read."""
    with OleFileIO(read_bytes(path, name)) as container:
        storage = Storage.from_ole(container)
    yield from mail_to_elements(_mail(storage, name, _TOP_HEADER), name, with_attachments)


def _mail(storage: Storage, name: str, header: int) -> Mail:
    fixed = _fixed(storage, header)
    encoding = _encoding(fixed)
    subject = " ".join(_text(storage, constants.PID_SUBJECT, name, encoding).split())
    sent = _text(storage, constants.PID_TRANSPORT_MESSAGE_HEADERS, name, encoding)
    message = HeaderParser(EmailMessage, policy=default).parsestr(sent)
    who = people(message) or _people(storage, fixed, name, encoding)
    return Mail(subject, who, _parts(storage, name, encoding))


def _fixed(storage: Storage, header: int) -> dict[int, int]:
    """Properties that are numbers and times, by their ids; oxmsg's reader fails at one that is wrong."""
    rows = storage.properties_stream_bytes[header:]
    whole = rows[: len(rows) // _ROW.size * _ROW.size]
    return dict(_ROW.iter_unpack(whole))


def _encoding(fixed: dict[int, int]) -> str | None:
    """Of texts that are not UTF-16; None if it is not said, or not known."""
    for property_id in (constants.PID_INTERNET_CODEPAGE, constants.PID_MESSAGE_CODEPAGE):
        try:
            return encoding_from_codepage(fixed.get(property_id, 0) & 0xFFFF_FFFF)
        except (UnrecognizedCodePageError, UnsupportedEncodingError):
            continue
    return None


def _people(storage: Storage, fixed: dict[int, int], name: str, encoding: str | None) -> str:
    """For a mail that was never sent through the internet: Outlook's own notes."""
    sender, smtp, other, to, cc = (
        _text(storage, property_id, name, encoding).strip()
        for property_id in (
            constants.PID_SENDER_NAME,
            constants.PID_SENDER_SMTP_ADDRESS,
            constants.PID_SENDER_EMAIL_ADDRESS,
            _DISPLAY_TO,
            _DISPLAY_CC,
        )
    )
    address = smtp or other
    known = "@" in address and address != sender  # else Exchange's own kind of address
    time = fixed.get(constants.PID_CLIENT_SUBMIT_TIME, 0)
    found = {
        "From": f"{sender} <{address}>".strip() if known else sender,
        "To": to,
        "Cc": cc,
        "Date": f"{_EPOCH + timedelta(microseconds=time // 10):%Y-%m-%d %H:%M} UTC"
        if 0 < time < _LAST
        else "",
    }
    return "\n".join(f"{field}: {value}" for field, value in found.items() if value)


def _parts(storage: Storage, name: str, encoding: str | None) -> Iterator[Body | Attachment | Mail]:
    plain = _text(storage, constants.PID_BODY, name, encoding)
    if plain.strip():
        yield Body(plain, is_html=False)
    elif html := _stream(storage, constants.PID_HTML, constants.PTYP_BINARY):
        yield Body(decode(html, name, encoding), is_html=True)
    else:
        yield Body(_text(storage, constants.PID_BODY_HTML, name, encoding), is_html=True)
    for attached in storage.iter_attachment_storages():
        inner = next((inner for inner in attached.storages if inner.name == _INNER_MAIL), None)
        if inner is not None and any(stream.name.startswith("__properties") for stream in inner.streams):
            yield _mail(inner, name, _INNER_HEADER)
        else:
            names = (constants.PID_ATTACH_LONG_FILENAME, constants.PID_ATTACH_FILENAME)
            called = next(filter(None, (_text(attached, each, name, encoding) for each in names)), "")
            content = _stream(attached, constants.PID_ATTACH_DATA_BINARY, constants.PTYP_BINARY)
            yield Attachment(attachment_name(called, "(no name)"), content)


def _text(storage: Storage, property_id: int, name: str, encoding: str | None) -> str:
    """Damaged letters are replaced."""
    if wide := _stream(storage, property_id, constants.PTYP_STRING):
        return wide.decode("utf-16-le", "replace").replace("\r\n", "\n")
    narrow = _stream(storage, property_id, constants.PTYP_STRING8)
    return decode(narrow, name, encoding) if narrow else ""


def _stream(storage: Storage, property_id: int, kind: int) -> bytes | None:
    wanted = f"__substg1.0_{property_id:04X}{kind:04X}"
    return next((stream.bytes_ for stream in storage.streams if stream.name == wanted), None)
