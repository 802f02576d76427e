"""Files that were made to do harm: refused, or read at a cost in proportion to their size."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from docx import Document
from openpyxl import Workbook
from pptx import Presentation

from ingest.errors import FileTooLarge, IngestError, UnreadableFile
from ingest.parse import elements_of, parse
from ingest.records import Element

Read = Callable[[str, str | bytes], list[Element]]

LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "lollollollol">'
    + "".join(f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(9))
    + "]>"
)
OUTSIDE = '<!DOCTYPE l [<!ENTITY j SYSTEM "{}">]>'
ODT = '<d xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><text:p>MARK</text:p></d>'
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="b.opf"/></rootfiles></container>'
)
OPF = (
    '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="a.xhtml" '
    'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
)


def docx() -> io.BytesIO:
    saved, document = io.BytesIO(), Document()
    document.add_paragraph("MARK")
    document.save(saved)
    return saved


def xlsx() -> io.BytesIO:
    saved, workbook = io.BytesIO(), Workbook()
    workbook.active.append(["MARK"])
    workbook.save(saved)
    return saved


def pptx() -> io.BytesIO:
    saved, slides = io.BytesIO(), Presentation()
    slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "MARK"
    slides.save(saved)
    return saved


def odt() -> io.BytesIO:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", ODT)
    return saved


def epub() -> io.BytesIO:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("b.opf", OPF)
        archive.writestr("a.xhtml", "<html><body><p>MARK</p></body></html>")
    return saved


def with_entity(whole: io.BytesIO, part: str, declaration: str) -> bytes:
    """The same archive; its part declares entities and has `&j;` in the place of MARK."""
    saved = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(saved, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == part:
                head, found, rest = data.partition(b"?>") if data.startswith(b"<?") else (b"", b"", data)
                data = head + found + declaration.encode() + rest.replace(b"MARK", b"before &j; after")
            new.writestr(name, data)
    return saved.getvalue()


PARTS = [
    ("a.docx", docx, "word/document.xml"),
    ("a.xlsx", xlsx, "xl/worksheets/sheet1.xml"),
    ("a.pptx", pptx, "ppt/slides/slide1.xml"),
    ("a.odt", odt, "content.xml"),
    ("a.epub", epub, "a.xhtml"),
]


@pytest.mark.parametrize(("name", "make", "part"), PARTS)
def test_entities_in_entities_do_not_unfold(
    read: Read, name: str, make: Callable[[], io.BytesIO], part: str
) -> None:
    try:
        found = read(name, with_entity(make(), part, LAUGHS))
    except UnreadableFile:
        return
    assert sum(len(element.text) for element in found) < 1000


@pytest.mark.parametrize(("name", "make", "part"), PARTS)
def test_entities_from_other_files_stay_outside(
    read: Read, tmp_path: Path, name: str, make: Callable[[], io.BytesIO], part: str
) -> None:
    (tmp_path / "secret").write_text("TOP SECRET")
    try:
        found = read(name, with_entity(make(), part, OUTSIDE.format((tmp_path / "secret").as_uri())))
    except UnreadableFile:
        return
    assert "TOP SECRET" not in " ".join(element.text for element in found)


@pytest.mark.parametrize(("name", "content"), [("a.xml", "<a>&j;</a>"), ("a.html", "<html><p>&j;</html>")])
def test_entities_in_markup_do_not_unfold(read: Read, name: str, content: str) -> None:
    try:
        found = read(name, LAUGHS + content)
    except UnreadableFile:
        return
    assert sum(len(element.text) for element in found) < 1000


@pytest.mark.parametrize(
    ("name", "mimetype", "part"),
    [
        ("a.docx", "", "word/document.xml"),
        ("a.xlsx", "", "xl/workbook.xml"),
        ("a.pptx", "", "ppt/presentation.xml"),
        ("a.odt", "application/vnd.oasis.opendocument.text", "content.xml"),
        ("a.ods", "application/vnd.oasis.opendocument.spreadsheet", "content.xml"),
        ("a.epub", "application/epub+zip", "a.xhtml"),
    ],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, name: str, mimetype: str, part: str
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype)
        archive.writestr(part, b"\0" * (50 << 20))

    with pytest.raises(UnreadableFile, match="would unpack to 52 MB in 2 parts, which looks like a bomb"):
        parse(tmp_path / name, name)


def test_a_zip_that_lies_about_its_size_gives_no_more_than_it_says(read: Read) -> None:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", " " * (50 << 20) + ODT)
    lie = saved.getvalue().replace((len(ODT) + (50 << 20)).to_bytes(4, "little"), (100).to_bytes(4, "little"))

    with pytest.raises(UnreadableFile, match=r"a\.odt is not whole: content\.xml is missing or damaged"):
        read("a.odt", lie)


def test_ten_thousand_parts_are_too_many(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        for number in range(10_001):
            archive.writestr(f"word/document{number}.xml", "")

    with pytest.raises(UnreadableFile, match="in 10001 parts, which looks like a bomb"):
        parse(tmp_path / "a.docx", "a.docx")


DEEP = 50_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.html", "<div>" * DEEP + "x" + "</div>" * DEEP, "nests its tags too deep to be read whole"),
        ("a.xml", "<a>" * DEEP + "x" + "</a>" * DEEP, "is not well-formed xml .Excessive depth"),
        ("a.json", "[" * DEEP + "1" + "]" * DEEP, "nests its parts too deep to be read"),
        ("a.json", '{"a":' * DEEP + "1" + "}" * DEEP, "nests its parts too deep to be read"),
        ("a.eml", "Subject: s\n" + "Content-Type: message/rfc822\n\n" * DEEP, "nests its parts too deep"),
        ("a.odt", "", "its part content.xml is damaged .Excessive depth"),
    ],
)
def test_what_nests_too_deep_says_so(read: Read, name: str, content: str, says: str) -> None:
    data: str | bytes = content
    if name == "a.odt":
        saved = io.BytesIO()
        with zipfile.ZipFile(saved, "w") as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
            archive.writestr("content.xml", "<a>" * DEEP + "</a>" * DEEP)
        data = saved.getvalue()

    with pytest.raises(UnreadableFile, match=f"{name} {says}".replace("a.odt ", "a.odt: ")):
        read(name, data)


def test_one_record_that_nests_too_deep_does_not_take_the_others_along(read: Read) -> None:
    found = read("a.jsonl", '{"a": 1}\n' + "[" * DEEP + "]" * DEEP + '\n{"a": 2}\n')

    assert [found[0].text, found[-1].text] == ["a: 1", "a: 2"]


def test_a_long_key_is_not_repeated_with_every_value_under_it(read: Read) -> None:
    values = ",".join(f'"{number}":{number}' for number in range(1000))

    found = read("a.json", '{"' + "k" * 100_000 + '":{' + values + "}}")

    assert sum(len(element.text) for element in found) < 300_000


def gigabyte(path: Path, head: bytes) -> Path:
    """A file that says it is long and takes no room: what follows the head are zeros."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(1 << 30)
    return path


@pytest.mark.parametrize("name", "a.txt a.md a.html a.xml a.json a.rst a.org a.py a.eml a.rtf".split())
def test_a_gigabyte_of_text_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    head = b"{\\rtf1 " if name == "a.rtf" else b"x" * 10_000

    with pytest.raises(FileTooLarge, match="has 1024 MB; text is read up to 64 MB"):
        parse(gigabyte(tmp_path / name, head), name)


@pytest.mark.parametrize(
    ("name", "head"),
    [("a.csv", b"a,"), ("a.tsv", b"a\t"), ("a.jsonl", b'{"a": '), ("a.mbox", b"From a 2020\n")],
)
def test_a_line_of_a_gigabyte_is_refused_with_its_number(tmp_path: Path, name: str, head: bytes) -> None:
    path = gigabyte(tmp_path / name, head * 20_000)
    tracemalloc.start()

    with pytest.raises(FileTooLarge, match=r"more than 8 [Mm]"):
        parse(path, name)

    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "line"), [("a.csv", '{number},"{text}"\n'), ("a.jsonl", '{{"n": {number}, "t": "{text}"}}\n')]
)
def test_rows_are_read_one_by_one_however_many(tmp_path: Path, name: str, line: str) -> None:
    with (tmp_path / name).open("w") as file:
        for number in range(200):
            file.write(line.format(number=number, text="word " * 10_000))
    tracemalloc.start()

    chars = sum(len(element.text) for element in elements_of(tmp_path / name, name))

    assert chars > 9_900_000
    assert tracemalloc.get_traced_memory()[1] < 5 << 20
    tracemalloc.stop()


def test_a_quotation_mark_that_nothing_closes_is_named(read: Read) -> None:
    with pytest.raises(FileTooLarge, match="look before it for a quotation mark that nothing closes"):
        read("a.csv", 'a,b\n"' + "x,y\n" * (3 << 20))


def test_a_bomb_in_a_mail_is_named_and_the_rest_is_read(read: Read) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (50 << 20))
    message = EmailMessage()
    message.set_content("Look at this.")
    message.add_attachment(bomb.getvalue(), maintype="application", subtype="zip", filename="bomb.docx")
    message.add_attachment("Fine.", filename="b.txt")

    found = [element.text for element in read("a.eml", message.as_bytes())]

    assert found == ["Look at this.", "b.txt", "Fine.", "Attachments, not read: bomb.docx"]


def test_a_file_cut_anywhere_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    for name, make, _ in PARTS:
        whole = make().getvalue()
        for at in range(1, 20):
            (tmp_path / name).write_bytes(whole[: len(whole) * at // 20])
            with pytest.raises(IngestError, match=name.replace(".", r"\.")):
                parse(tmp_path / name, name)
