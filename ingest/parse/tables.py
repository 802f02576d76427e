"""Rows -> table elements: csv, xlsx, xls and the tables inside of other documents."""

import csv
import datetime
import io
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ingest.errors import PasswordProtected
from ingest.records import Element

CELL_JOINT = " | "

_ROWS = 50
"""Rows in one element; the header is repeated in each, so a row is never without it."""
_SNIFF_CHARS = 10_000


def rows_to_elements(rows: Iterable[Sequence[object]], *, page: int | None = None) -> Iterator[Element]:
    """Tables of `_ROWS` rows, a row a line, each under the header; what stands above the header is text."""
    header: list[str] | None = None  # not come to it
    lines: list[str] = []
    for row in rows:
        cells = [_show(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        line = CELL_JOINT.join(cells)
        if header is None and sum(map(bool, cells)) > 1:
            if lines:
                yield Element("text", "\n".join(lines), page=page)
                lines = []
            header = [line] if is_header(cells) else []
            if header:
                continue
        lines.append(line)
        if len(lines) == _ROWS:
            yield _table(header, lines, page)
            lines = []
    if lines or header:
        yield _table(header, lines, page)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a table's first row names its columns: several cells, none of them a number or a date."""
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) > 1 and not any(map(_is_value, filled))


def read_csv(text: str) -> Iterator[Element]:
    """Comma, semicolon, tab or bar between cells; found out from the beginning of the text."""
    csv.field_size_limit(sys.maxsize)
    try:
        delimiter = csv.Sniffer().sniff(text[:_SNIFF_CHARS], ",;\t|").delimiter
    except csv.Error:
        delimiter = ","
    yield from rows_to_elements(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def read_xlsx(path: str) -> Iterator[Element]:
    """Every sheet, its name as a heading; a sheet is a page."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations, which are not read
        workbook = load_workbook(path, read_only=True, data_only=True)
        for page, sheet in enumerate(workbook.worksheets, 1):
            sheet.reset_dimensions()  # what a file says of its size can be wrong, and cells were lost
            yield from _sheet(sheet.title, sheet.iter_rows(values_only=True), page)
        workbook.close()


def read_xls(path: str, name: str) -> Iterator[Element]:
    """As `read_xlsx`, for the format of before 2007. Raises PasswordProtected."""
    from xlrd import XLRDError, open_workbook

    try:
        workbook = open_workbook(path)
    except XLRDError as error:
        if "encrypted" in str(error):
            raise PasswordProtected(f"{name} is protected by a password: save it without one") from error
        raise
    for page, sheet in enumerate(workbook.sheets(), 1):
        rows = ([_xls_value(cell, workbook.datemode) for cell in row] for row in sheet.get_rows())
        yield from _sheet(sheet.name, rows, page)


def _sheet(title: str, rows: Iterable[Sequence[object]], page: int) -> Iterator[Element]:
    elements = list(rows_to_elements(rows, page=page))
    if elements:
        yield Element("title", title, depth=1, page=page)
        yield from elements


def _table(header: list[str] | None, lines: list[str], page: int | None) -> Element:
    return Element("table" if header is not None else "text", "\n".join([*(header or []), *lines]), page=page)


def _xls_value(cell: Any, datemode: int) -> object:
    """xlrd gives dates as numbers, yes and no as 1 and 0, errors as codes."""
    from xlrd import XL_CELL_BOOLEAN, XL_CELL_DATE, XL_CELL_ERROR, xldate_as_datetime

    if cell.ctype == XL_CELL_DATE:
        return xldate_as_datetime(cell.value, datemode)
    if cell.ctype == XL_CELL_BOOLEAN:
        return bool(cell.value)
    return None if cell.ctype == XL_CELL_ERROR else cell.value


def _is_value(cell: str) -> bool:
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))


def _show(cell: object) -> str:
    """A cell on one line: 3.0 is 3, midnight is no time, white space is a space."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return " ".join(str(cell).split())
