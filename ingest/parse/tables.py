"""Rows -> table elements: csv, xlsx, xls and the tables inside of other documents."""

import csv
import datetime
import io
import sys
from collections.abc import Iterable, Iterator, Sequence

from ingest.records import Element

_ROWS = 50
"""Rows in one element; the header is repeated in each, so a row is never without it."""
_SNIFF_CHARS = 10_000
_CELL = " | "


def rows_to_elements(rows: Iterable[Sequence[object]], *, page: int | None = None) -> Iterator[Element]:
    """Table elements of `_ROWS` rows, a row a line, under the header: the first row without numbers."""
    header: list[str] | None = None
    lines: list[str] = []
    for row in rows:
        cells = [_show(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        line = _CELL.join(cells)
        if header is None:
            header = [line] if not any(cell.replace(".", "").isdigit() for cell in cells) else []
            if header:
                continue
        lines.append(line)
        if len(lines) == _ROWS:
            yield Element("table", "\n".join([*(header or []), *lines]), page=page)
            lines = []
    if lines or header:
        yield Element("table", "\n".join([*(header or []), *lines]), page=page)


def read_csv(text: str) -> Iterator[Element]:
    """Comma, semicolon, tab or bar between cells; found out from the beginning of the text."""
    csv.field_size_limit(sys.maxsize)
    sample = text[:_SNIFF_CHARS]
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(sample, ",;\t|")
    except csv.Error:
        dialect = "excel"
    yield from rows_to_elements(csv.reader(io.StringIO(text), dialect))


def read_xlsx(path: str) -> Iterator[Element]:
    """Every sheet, its name as a heading; a sheet is a page."""
    from openpyxl import load_workbook

    workbook = load_workbook(path, read_only=True, data_only=True)
    for page, sheet in enumerate(workbook.worksheets, 1):
        elements = list(rows_to_elements(sheet.iter_rows(values_only=True), page=page))
        if elements:
            yield Element("title", sheet.title, depth=1, page=page)
            yield from elements
    workbook.close()


def read_xls(path: str) -> Iterator[Element]:
    """As `read_xlsx`, for the format of before 2007."""
    from xlrd import open_workbook

    for page, sheet in enumerate(open_workbook(path).sheets(), 1):
        elements = list(rows_to_elements(sheet.get_rows(), page=page))
        if elements:
            yield Element("title", sheet.name, depth=1, page=page)
            yield from elements


def _show(cell: object) -> str:
    """A cell on one line: 3.0 is 3, midnight is no time, white space is a space."""
    value = getattr(cell, "value", cell)  # xlrd wraps its values
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return " ".join(str(value).split())
