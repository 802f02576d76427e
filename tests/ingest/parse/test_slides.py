"""pptx: every slide a page, with all that is on it and is said to it."""

import zipfile
from pathlib import Path

from pptx import Presentation
from pptx.util import Inches, Pt

from ingest.parse import parse

DIAGRAM = (
    '<d:dataModel xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><d:ptLst><d:pt><d:t><a:p><a:r>'
    "<a:t>Plan</a:t></a:r></a:p></d:t></d:pt><d:pt><d:t><a:p/></d:t></d:pt></d:ptLst></d:dataModel>"
)


def test_a_slide_is_a_page_and_its_notes_belong_to_it(tmp_path: Path) -> None:
    show = Presentation()
    for number in (1, 2):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = f"Point {number}"
        slide.notes_slide.notes_text_frame.text = f"Said {number}"
    show.save(str(tmp_path / "a.pptx"))

    found = [(element.text, element.page) for element in parse(tmp_path / "a.pptx", "a.pptx")]

    assert {("Slide 1", 1), ("Point 1", 1), ("Said 1", 1), ("Slide 2", 2), ("Said 2", 2)} <= set(found)


def test_tables_groups_diagrams_and_points_are_read_and_running_feet_are_not(tmp_path: Path) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    table = slide.shapes.add_table(2, 2, *[Inches(1)] * 4).table
    for at, text in enumerate(("Part", "Euro", "Lamp", "3")):
        table.cell(at // 2, at % 2).text = text
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(*[Inches(1)] * 4).text_frame.text = "In a group"
    slide.placeholders[1].text = "Point"
    slide.shapes.title.text = "Two\vlines"
    show.save(str(tmp_path / "a.pptx"))
    relation = '<Relationship Id="d" Type="x/diagramData" Target="../diagrams/data1.xml"/></Relationships>'
    with zipfile.ZipFile(tmp_path / "a.pptx") as old, zipfile.ZipFile(tmp_path / "b.pptx", "w") as new:
        for part in old.namelist():
            data = old.read(part)
            if part == "ppt/slides/_rels/slide1.xml.rels":
                data = data.replace(b"</Relationships>", relation.encode())
            new.writestr(part, data)
        new.writestr("ppt/diagrams/data1.xml", DIAGRAM)

    found = [(element.kind, element.text) for element in parse(tmp_path / "b.pptx", "b.pptx")]

    assert found == [
        ("title", "Two lines"), ("list", "Point"), ("table", "Part | Euro\nLamp | 3"),
        ("text", "In a group"), ("list", "Plan"),
    ]  # fmt: skip


def test_what_is_beside_the_slide_hidden_or_without_size_is_marked(tmp_path: Path) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    for text, left in (("Seen.", 1), ("Left.", -8), ("Right.", 40)):
        slide.shapes.add_textbox(Inches(left), Inches(1), Inches(3), Inches(1)).text_frame.text = text
    hidden = slide.shapes.add_textbox(*[Inches(1)] * 4)
    hidden.text_frame.text = "Hidden."
    hidden._element.nvSpPr.cNvPr.set("hidden", "1")
    tiny = slide.shapes.add_textbox(*[Inches(1)] * 4)
    tiny.text_frame.paragraphs[0].add_run().text = "Tiny."
    tiny.text_frame.paragraphs[0].runs[0].font.size = Pt(1)
    other = show.slides.add_slide(show.slide_layouts[6])
    other.shapes.add_textbox(*[Inches(1)] * 4).text_frame.text = "Left out of the show."
    other._element.set("show", "0")
    show.save(str(tmp_path / "a.pptx"))

    found = {element.text: element.unseen for element in parse(tmp_path / "a.pptx", "a.pptx")}

    assert found == {
        "Seen.": False, "Left.": True, "Right.": True, "Hidden.": True, "Tiny.": True,
        "Left out of the show.": True,
    }  # fmt: skip
