"""Files of every kind, good and bad: text comes out right, or an error says what is wrong."""

import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.errors import IngestError, NoText, PasswordProtected, UnreadableFile, UnsupportedFile
from ingest.parse import FORMATS, parse
from ingest.parse.decode import decode
from ingest.parse.ocr import TESSERACT
from ingest.records import Element
from ingest.worker import ParseWorker

SAMPLE = Path(__file__).parents[3] / "app" / "sample" / "library"
DOCS = Path(__file__).parents[4] / "shared" / "data" / "docs"


def read(path: Path, content: str | bytes) -> list[Element]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(parse(path, path.name))


def outline(elements: list[Element]) -> list[tuple[str, str]]:
    return [(element.kind, element.text) for element in elements]


def test_markdown_gives_headings_lists_and_tables(tmp_path: Path) -> None:
    text = "# Title\n\nText.\n\n## Part { #part }\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"

    elements = read(tmp_path / "a.md", text)

    assert outline(elements) == [
        ("title", "Title"),
        ("text", "Text."),
        ("title", "Part"),
        ("list", "one"),
        ("list", "two"),
        ("table", "a | b\n1 | 2"),
    ]
    assert [element.depth for element in elements[:3]] == [0, 0, 1]


def test_html_gives_its_content_without_scripts_and_navigation(tmp_path: Path) -> None:
    page = (
        "<html><head><title>T</title><style>x</style></head><body><nav>menu</nav><h1>Head</h1>"
        "<p>Text with <b>bold</b>.</p><script>evil()</script></body></html>"
    )

    assert outline(read(tmp_path / "a.html", page)) == [
        ("title", "T"),
        ("title", "Head"),
        ("text", "Text with bold."),
    ]


def test_html_nested_too_deep_is_read_all_the_same(tmp_path: Path) -> None:
    page = "<html><body>" + "<div>" * 2000 + "<p>deep down</p>" + "</div>" * 2000 + "</body></html>"

    assert "deep down" in " ".join(element.text for element in read(tmp_path / "a.html", page))


def test_a_big_csv_becomes_many_elements_with_its_header(tmp_path: Path) -> None:
    rows = "\n".join(f"{number};name {number};Köln" for number in range(120))

    elements = read(tmp_path / "a.csv", f"id;name;town\n{rows}\n")

    assert [element.text.count("\n") for element in elements] == [50, 50, 20]
    assert all(element.text.startswith("id | name | town\n") for element in elements)


def test_a_mail_gives_subject_people_text_and_names_what_is_not_read(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Grüße", "a@example.com"
    mail.set_content("Erster Absatz.\n\nZweiter.")
    mail.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="plan.pdf")

    assert outline(read(tmp_path / "a.eml", mail.as_bytes())) == [
        ("title", "Grüße"),
        ("text", "From: a@example.com"),
        ("text", "Erster Absatz."),
        ("text", "Zweiter."),
        ("text", "Attachments, not read: plan.pdf"),
    ]


def test_rst_headings_are_found_by_their_underlines(tmp_path: Path) -> None:
    text = "Title\n=====\n\nText.\n\nPart\n----\n\nMore.\n"

    assert outline(read(tmp_path / "a.rst", text)) == [
        ("title", "Title"),
        ("text", "Text."),
        ("title", "Part"),
        ("text", "More."),
    ]


def test_a_pdf_gives_pages_and_headings() -> None:
    elements = parse(SAMPLE / "maintenance-manual.pdf", "maintenance-manual.pdf")

    titles = [(element.text, element.depth, element.page) for element in elements if element.kind == "title"]
    assert titles[0] == ("Workshop manual, Velora Trail 3", 0, 1)
    assert ("Brakes", 1, 1) in titles
    assert ("Motor and electronics", 0, 2) in titles


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "Straße über Brücke"),
        ("utf-16", "电池要放在阴凉的地方"),
        ("gb18030", "电池要放在阴凉干燥的地方，冬天不要充电。" * 3),
        ("shift_jis", "冬は電池を涼しい場所に置いてください。" * 3),
        ("euc_kr", "배터리는 서늘하고 건조한 곳에 두십시오. " * 3),
        ("koi8-r", "Аккумулятор следует хранить в прохладном месте. " * 3),
        ("cp1251", "Аккумулятор следует хранить в прохладном месте. " * 3),
        ("latin-1", "Le vélo est à rendre avant midi, où que vous soyez : réparé, lavé, graissé. " * 3),
    ],
)
def test_old_encodings_are_told_apart(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


def test_what_can_not_be_stored_or_seen_is_taken_out(tmp_path: Path) -> None:
    assert (
        read(tmp_path / "a.txt", "caf\u0065\u0301 a\0b \ufeffc, and more.")[0].text == "café ab c, and more."
    )


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.txt", b"", NoText, "a.txt is empty (0 bytes)"),
        ("a.txt", b" \n\t ", NoText, "a.txt is empty (4 bytes)"),
        ("a.png", b"\x89PNG\r\n", UnsupportedFile, "a.png is a PNG picture, which has no text to read"),
        ("a.pdf", b"%PDF-1.4 garbage", UnreadableFile, "a.pdf is damaged (Failed to load document"),
        ("a.docx", b"PK\x03\x04 garbage", UnreadableFile, "a.docx is damaged (File is not a zip file)"),
        ("a.bin", b"\x00\x01\x02\x03" * 50, UnreadableFile, "a.bin is not text, nor in any other format"),
        ("a.xml", b"<?xml version='1.0'?><a><b></a>", UnreadableFile, "a.xml is not well-formed xml"),
    ],
)
def test_a_bad_file_says_what_is_wrong_with_it(
    tmp_path: Path, name: str, content: bytes, error: type[IngestError], message: str
) -> None:
    with pytest.raises(error) as raised:
        read(tmp_path / name, content)

    assert str(raised.value).startswith(message)


def test_an_external_entity_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOP SECRET")
    xml = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a><b>before &x; after</b></a>'

    assert "TOP SECRET" not in " ".join(element.text for element in read(tmp_path / "a.xml", xml))


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "report.xls"
    path.write_text("<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>")

    assert outline(parse(path, path.name)) == [("table", "a | b\n1 | 2")]


def test_every_file_of_the_sample_library_is_read() -> None:
    for path in sorted(SAMPLE.iterdir()):
        assert sum(len(element.text) for element in parse(path, path.name)) > 100, path.name
    assert len(FORMATS) > 12


@pytest.fixture(scope="module")
def worker() -> Iterator[ParseWorker]:
    worker = ParseWorker()
    yield worker
    worker.close()


EXPECTED: dict[str, type[IngestError]] = {
    "password": PasswordProtected,
    "scan": NoText,
    "empty": NoText,
    "corrupt": UnreadableFile,
}


def real_documents() -> list[dict[str, str]]:
    if not DOCS.is_dir():
        return []
    lines = (DOCS / "dev" / "manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.skipif(not DOCS.is_dir(), reason="the real documents are not beside this checkout")
@pytest.mark.parametrize("row", real_documents(), ids=lambda row: Path(row["file"]).name)
def test_a_real_document_is_read_or_refused_as_expected(row: dict[str, str], worker: ParseWorker) -> None:
    path = DOCS / row["file"]
    refused = EXPECTED.get(row["expect"])
    if row["expect"] == "scan" and TESSERACT is not None:
        refused = None
    if refused is not None and path.name != "zen_of_python_corrupted.pdf":  # damaged, and can be read
        with pytest.raises(refused, match=re.escape(path.name)):
            worker.parse(path, path.name)
        return

    assert sum(len(element.text) for element in worker.parse(path, path.name)) > 5
