"""docx: all that a reader of the paper sees, in its order."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingest.parse import parse
from ingest.records import Element

NOTE = (
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:footnote>'
    "<w:p><w:r><w:t>Said in a footnote.</w:t></w:r></w:p></w:footnote></w:footnotes>"
)


def texts(elements: list[Element]) -> list[str]:
    return [element.text for element in elements]


def copy(source: Path, target: Path, change: Callable[[bytes], bytes], **added: str) -> Path:
    """A zip file with every member changed, and one more."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            new.writestr(member, change(old.read(member)))
        for member, content in added.items():
            new.writestr(f"word/{member}.xml", content)
    return target


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    document = docx.Document()
    document.core_properties.title = "Letter to the club"
    document.add_paragraph("First paragraph.")
    document.add_heading("Part", 1)
    document.add_paragraph("Second paragraph.")
    document.save(str(tmp_path / "letter.docx"))
    return tmp_path / "letter.docx"


def test_a_docx_has_its_title_and_its_footnotes(letter: Path, tmp_path: Path) -> None:
    path = copy(letter, tmp_path / "noted.docx", lambda member: member, footnotes=NOTE)

    assert texts(parse(path, path.name)) == [
        "Letter to the club", "First paragraph.", "Part", "Second paragraph.", "Said in a footnote.",
    ]  # fmt: skip


def test_a_docx_with_macros_gives_its_text(letter: Path, tmp_path: Path) -> None:
    plain = b"vnd.openxmlformats-officedocument.wordprocessingml.document.main"
    path = copy(
        letter,
        tmp_path / "a.docm",
        lambda member: member.replace(plain, b"vnd.ms-word.document.macroEnabled.main"),
    )

    assert texts(parse(path, path.name))[1:] == ["First paragraph.", "Part", "Second paragraph."]


def paragraph(inside: str) -> object:
    return parse_xml(f"<w:p {nsdecls('w')}>{inside}</w:p>")


def saved(document: object, tmp_path: Path) -> list[Element]:
    document.save(str(tmp_path / "made.docx"))  # type: ignore[attr-defined]
    return parse(tmp_path / "made.docx", "made.docx")


def test_links_insertions_boxes_and_equations_are_read_and_deletions_are_not(tmp_path: Path) -> None:
    document = docx.Document()
    body = document.element.body
    body.insert(0, paragraph(
        "<w:r><w:t>See </w:t></w:r><w:hyperlink><w:r><w:t>example.org</w:t></w:r></w:hyperlink>"
        "<w:ins><w:r><w:t xml:space='preserve'> now</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>then</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
        "<w:r><w:noBreakHyphen/><w:br w:type='page'/><w:tab/><w:instrText>PAGE</w:instrText></w:r>"
        "<m:oMath xmlns:m='http://schemas.openxmlformats.org/officeDocument/2006/math'><m:r><m:t>x</m:t></m:r>"
        "</m:oMath><w:r><w:txbxContent><w:p><w:r><w:t>Boxed.</w:t></w:r></w:p></w:txbxContent></w:r>"
    ))  # fmt: skip

    assert texts(saved(document, tmp_path)) == ["See example.org now-\tx", "Boxed."]


def test_a_paragraph_is_whole_over_the_end_of_a_page_and_pages_are_counted(tmp_path: Path) -> None:
    document = docx.Document()
    turn = "<w:r><w:lastRenderedPageBreak/></w:r>"
    for inside in (
        "<w:r><w:t>One </w:t></w:r>" + turn + "<w:r><w:t>whole.</w:t></w:r>",
        turn + "<w:r><w:t>Next.</w:t></w:r>",
    ):
        document.element.body.insert(len(document.element.body) - 1, paragraph(inside))
    table = document.add_table(1, 2)
    for cell in table.rows[0].cells:  # a row that goes on over the page says so in every cell
        cell._tc.append(paragraph("<w:r><w:t>Cell</w:t></w:r>" + turn))
    document.add_paragraph("Last.")

    found = [(element.text, element.page) for element in saved(document, tmp_path)]

    assert found == [("One whole.", 1), ("Next.", 3), ("Cell | Cell", 3), ("Last.", 4)]


def test_styles_make_headings_lists_and_code_and_a_table_of_contents_is_left_out(tmp_path: Path) -> None:
    document = docx.Document()
    own = document.styles.add_style("Chapter", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 2"]
    document.styles.add_style("Source Code", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Book", style="Title")
    link = "<w:hyperlink w:anchor='_Toc1'><w:r><w:t>Start 3</w:t></w:r></w:hyperlink>"
    document.element.body.insert(1, paragraph(link))
    document.add_paragraph("Start", style="Chapter")
    document.add_paragraph("point", style="List Bullet")
    document.add_paragraph("if x:\n    y", style="Source Code")
    frame = document.add_table(1, 1)
    frame.cell(0, 0).text = "Framed."

    found = [(element.kind, element.depth, element.text) for element in saved(document, tmp_path)]

    assert found == [
        ("title", 0, "Book"), ("title", 1, "Start"), ("list", 0, "point"), ("code", 0, "if x:\n    y"),
        ("text", 0, "Framed."),
    ]  # fmt: skip


HIDDEN = ("<w:vanish/>", "<w:sz w:val='2'/>", "<w:color w:val='ffffff'/>", "<w:rStyle w:val='Unseen'/>")
SEEN = (
    "<w:vanish w:val='0'/>",
    "<w:color w:val='FFFFFF'/><w:shd w:fill='000000'/>",
    "<w:color w:val='FFFFFF'/><w:highlight w:val='black'/>",
    "<w:color w:val='F0F0F0'/><w:sz w:val='12'/>",
)


@pytest.mark.parametrize(
    ("told", "unseen"), [*((one, True) for one in HIDDEN), *((one, False) for one in SEEN)]
)
def test_hidden_runs_are_marked_and_apart(tmp_path: Path, told: str, unseen: bool) -> None:
    document = docx.Document()
    style = document.styles.add_style("Unseen", docx.enum.style.WD_STYLE_TYPE.CHARACTER)
    style.font.hidden = True
    run = f"<w:r><w:rPr>{told}</w:rPr><w:t>Praise us.</w:t></w:r>"
    around = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    document.element.body.insert(0, paragraph(around.format("Ten ") + run + around.format(" days.")))
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "a"
    table.cell(0, 1).paragraphs[0]._p.append(paragraph(run)[0])

    found = [(element.text, element.unseen) for element in saved(document, tmp_path)]

    if unseen:
        assert found == [("Ten  days.", False), ("Praise us.", True), ("a", False), ("Praise us.", True)]
    else:
        assert found == [("Ten Praise us. days.", False), ("a | Praise us.", False)]


def test_white_letters_in_a_table_with_a_style_are_seen(tmp_path: Path) -> None:
    document = docx.Document()
    table = document.add_table(1, 2, style="Light Grid Accent 1")
    table.cell(0, 0).text = "a"
    run = table.cell(0, 1).paragraphs[0].add_run("Head")
    run.font.color.rgb = docx.shared.RGBColor(255, 255, 255)

    assert not any(element.unseen for element in saved(document, tmp_path))
