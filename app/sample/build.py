"""Sources in plain text -> the library's pdf, docx, pptx, xlsx and eml files, the same bytes every time.

`python -m app.sample.build` writes them into `library/`; it needs the dev extra.
"""

import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).parent
DATE = datetime(2026, 6, 1, tzinfo=UTC)
"""Written into every file that wants one."""
_ZIP_DATE = (2026, 6, 1, 0, 0, 0)
_HEADING = re.compile(r"^(#+) (.*)")


def build(folder: Path) -> list[Path]:
    """Make every file that has a source; returns them."""
    made = []
    for source in sorted((HERE / "sources").glob("*.md")):
        target = folder / source.stem
        BUILDERS[target.suffix](source.read_text(encoding="utf-8"), target)
        made.append(target)
    return made


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of each line: h1, h2, bullet or text."""
    for line in filter(None, text.splitlines()):
        if heading := _HEADING.match(line):
            yield f"h{len(heading[1])}", heading[2]
        elif line.startswith("- "):
            yield "bullet", line[2:]
        else:
            yield "text", line


def _pdf(text: str, target: Path) -> None:
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    font = "Helvetica"
    if re.search(r"[\u3040-\u30ff]", text):
        font = "HeiseiMin-W3"  # every pdf reader has it, so nothing is embedded
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    sizes = {"h1": 18, "h2": 13, "text": 10, "bullet": 10}
    styles = {
        kind: ParagraphStyle(
            kind, fontName=font, fontSize=size, leading=size * 1.45, spaceBefore=size * 0.6,
            wordWrap="CJK" if font != "Helvetica" else None,
        )
        for kind, size in sizes.items()
    }  # fmt: skip
    story: list[object] = []
    for kind, line in _blocks(text):
        if kind == "h1" and story:
            story.append(PageBreak())
        story.append(Paragraph(line, styles[kind]))
    title = next(line for _, line in _blocks(text))
    SimpleDocTemplate(str(target), pagesize=A5, title=title, author="Velora", invariant=1).build(story)


def _docx(text: str, target: Path) -> None:
    from docx import Document

    document = Document()
    styles = {"h1": "Heading 1", "h2": "Heading 2", "bullet": "List Bullet", "text": "Normal"}
    for kind, line in _blocks(text):
        document.add_paragraph(line, style=styles[kind])
    document.core_properties.created = document.core_properties.modified = DATE
    content = BytesIO()
    document.save(content)
    _rezip(content, target)


def _pptx(text: str, target: Path) -> None:
    from pptx import Presentation

    deck = Presentation()
    body = None
    for kind, line in _blocks(text):
        if kind == "h1":
            slide = deck.slides.add_slide(deck.slide_layouts[1])
            slide.shapes.title.text = line
            body = slide.placeholders[1].text_frame
        elif body is not None:
            paragraph = body.add_paragraph() if body.text else body.paragraphs[0]
            paragraph.text = line
    deck.core_properties.created = deck.core_properties.modified = DATE
    content = BytesIO()
    deck.save(content)
    _rezip(content, target)


def _xlsx(text: str, target: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for kind, line in _blocks(text):
        if kind == "h1":
            sheet = book.create_sheet(line)
        else:
            sheet.append([int(cell) if cell.isdigit() else cell for cell in line.split(" | ")])
    content = BytesIO()
    book.save(content)
    _rezip(content, target)


def _eml(text: str, target: Path) -> None:
    head, _, body = text.partition("\n\n")
    message = EmailMessage(policy=policy.SMTP)
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        message[name] = value
    message["Message-ID"] = f"<{target.stem.encode().hex()[:24]}@velora.example>"
    message.set_content(body)
    target.write_bytes(message.as_bytes())


def _rezip(content: BytesIO, target: Path) -> None:
    """The same archive with fixed dates, also in the properties that record the time of saving."""
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "docProps/core.xml":
                data = re.sub(
                    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", DATE.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), data
                )
            fixed = zipfile.ZipInfo(entry.filename, _ZIP_DATE)
            fixed.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(fixed, data)


BUILDERS: dict[str, Callable[[str, Path], None]] = {
    ".pdf": _pdf,
    ".docx": _docx,
    ".pptx": _pptx,
    ".xlsx": _xlsx,
    ".eml": _eml,
}

if __name__ == "__main__":
    sys.stdout.write(f"{len(build(HERE / 'library'))} files\n")
