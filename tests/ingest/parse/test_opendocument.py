"""OpenDocument, made by hand: text, sheets and slides."""

import zipfile
from pathlib import Path

import pytest

from ingest.errors import PasswordProtected, UnreadableFile
from ingest.parse import parse
from ingest.records import Element

NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "style": "style",
        "manifest": "manifest",
    }.items()
)


def write(path: Path, kind: str, body: str, **parts: str) -> list[Element]:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", f"<office:document-content {NAMES}>{body}</office:document-content>")
        for name, content in parts.items():
            archive.writestr(f"META-INF/{name}.xml" if name == "manifest" else f"{name}.xml", content)
    return list(parse(path, path.name))


def row(*cells: str) -> str:
    inside = "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
    return f"<table:table-row>{inside}</table:table-row>"


def test_a_text_gives_title_headings_paragraphs_lists_and_tables(tmp_path: Path) -> None:
    body = (
        '<text:p text:style-name="Title">Manual</text:p><text:h text:outline-level="2">Part</text:h>'
        "<text:p>One<text:s/>two<text:tab/>three.</text:p>"
        "<text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>"
        f"<table:table>{row('a', 'b')}{row('1', '2')}</table:table>"
    )
    meta = '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>From the file</dc:title></m>'

    assert write(tmp_path / "a.odt", "text", body, meta=meta) == [
        Element("title", "From the file"),
        Element("title", "Manual"),
        Element("title", "Part", depth=1),
        Element("text", "One two three."),
        Element("list", "item"),
        Element("table", "a | b\n1 | 2"),
    ]


def test_notes_and_boxes_are_paragraphs_and_what_was_deleted_is_not(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:p>Text<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>A footnote.</text:p></text:note-body></text:note> goes on."
        "<office:annotation><text:p>a comment</text:p></office:annotation></text:p>"
        "<text:p><draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box></draw:frame></text:p>"
    )

    found = [element.text for element in write(tmp_path / "a.odt", "text", body)]

    assert found == ["Text goes on.", "A footnote.", "In a box."]


def test_every_sheet_is_a_table_under_its_name(tmp_path: Path) -> None:
    value = '<table:table-row><table:table-cell office:value="7"/><table:table-cell/></table:table-row>'
    body = (
        f'<office:spreadsheet><table:table table:name="Prices">{row("name", "price")}{row("tea", "3")}'
        f'{value}</table:table><table:table table:name="Empty"/></office:spreadsheet>'
    )

    assert write(tmp_path / "a.ods", "spreadsheet", body) == [
        Element("title", "Prices", depth=1, page=1),
        Element("table", "name | price\ntea | 3\n7", page=1),
    ]


def test_a_cell_that_says_it_comes_a_billion_times_does_not(tmp_path: Path) -> None:
    many = 'table:number-{}-repeated="1000000000"'
    body = (
        f"<office:spreadsheet><table:table><table:table-row {many.format('rows')}>"
        f"<table:table-cell {many.format('columns')}><text:p>x</text:p></table:table-cell></table:table-row>"
        "</table:table></office:spreadsheet>"
    )

    assert sum(element.text.count("x") for element in write(tmp_path / "a.ods", "spreadsheet", body)) == 2500


def test_slides_are_pages_with_their_titles_and_notes(tmp_path: Path) -> None:
    slide = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{0}</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>point</text:p>"
        "</text:list-item></text:list></draw:text-box></draw:frame><presentation:notes><draw:frame>"
        "<draw:text-box><text:p>Say {0}.</text:p></draw:text-box></draw:frame>"
        '<draw:frame presentation:class="page-number"><draw:text-box><text:p>7</text:p></draw:text-box>'
        "</draw:frame></presentation:notes></draw:page>"
    )
    body = f"<office:presentation>{slide.format('One')}{slide.format('Two')}</office:presentation>"

    assert write(tmp_path / "a.odp", "presentation", body) == [
        element
        for page, title in ((1, "One"), (2, "Two"))
        for element in (
            Element("title", title, depth=1, page=page),
            Element("list", "point", page=page),
            Element("text", f"Say {title}.", page=page),
        )
    ]


def test_a_password_and_damage_are_told_apart(tmp_path: Path) -> None:
    manifest = (
        f"<manifest:manifest {NAMES}><manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
        "</manifest:manifest>"
    )

    with pytest.raises(PasswordProtected, match=r"a\.odt is protected by a password"):
        write(tmp_path / "a.odt", "text", "\x00", manifest=manifest)
    with pytest.raises(UnreadableFile, match=r"b\.odt: its part content\.xml is damaged"):
        write(tmp_path / "b.odt", "text", "<not closed>")
