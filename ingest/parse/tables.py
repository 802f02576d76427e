"""Rows -> table elements: csv, xlsx, xls and the tables inside of other documents."""

import csv
import datetime
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from ingest.errors import FileTooLarge, PasswordProtected
from ingest.parse.decode import read_lines
from ingest.records import Element

CELL_JOINT = " | "

_ROWS = 50
"""Rows in one element; the header is repeated in each, so a row is never without it."""
_ELEMENT_CHARS = 1 << 20
"""Then an element ends before it has as many rows."""
_SNIFF_CHARS = 10_000
_CELL_CHARS = 8 << 20


def rows_to_elements(rows: Iterable[Sequence[object]], *, page: int | None = None) -> Iterator[Element]:
    """Tables of `_ROWS` rows, a row a line, each under the header; what stands above the header is text."""
    header: list[str] | None = None  # not come to it
    lines: list[str] = []
    chars = 0
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
        chars += len(line)
        if len(lines) == _ROWS or chars > _ELEMENT_CHARS:
            yield _table(header, lines, page)
            lines, chars = [], 0
    if lines or header:
        yield _table(header, lines, page)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a table's first row names its columns: several cells, none of them a number or a date."""
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) > 1 and not any(map(_is_value, filled))


def read_csv(path: Path, name: str) -> Iterator[Element]:
    """Row by row, however large; what stands between the cells is found out from the first lines.

    Raises FileTooLarge at a row that memory can't hold: often a quotation mark that nothing closes.
    """
    lines = read_lines(path, name)
    first, chars = [], 0
    while chars < _SNIFF_CHARS and (line := next(lines, "")):
        first.append(line)
        chars += len(line)
    try:
        delimiter = csv.Sniffer().sniff("".join(first)[:_SNIFF_CHARS], ",;\t|").delimiter
    except csv.Error:
        delimiter = ","
    csv.field_size_limit(_CELL_CHARS)
    rows = csv.reader(chain(first, lines), delimiter=delimiter)
    try:
        yield from rows_to_elements(rows)
    except csv.Error as error:
        raise FileTooLarge(
            f"{name}: line {rows.line_num} ends a cell of more than {_CELL_CHARS >> 20} million characters; "
            "look before it for a quotation mark that nothing closes"
        ) from error


def read_xlsx(path: Path, _: str) -> Iterator[Element]:
    """Every sheet, its name as a heading; a sheet is a page. Hidden ones are marked."""
    from openpyxl import load_workbook

    with warnings.catch_warnings(), path.open("rb") as file:  # by its path it goes by the suffix
        warnings.simplefilter("ignore")  # of styles and validations, which are not read
        workbook = load_workbook(file, read_only=True, data_only=True)
        for page, sheet in enumerate(workbook.worksheets, 1):
            sheet.reset_dimensions()  # what a file says of its size can be wrong, and cells were lost
            unseen = sheet.sheet_state != "visible"
            for element in sheet_to_elements(sheet.title, sheet.iter_rows(values_only=True), page):
                yield replace(element, unseen=unseen)
        workbook.close()


def read_xls(path: Path, name: str) -> Iterator[Element]:
    """As `read_xlsx`, for the format of before 2007. Raises PasswordProtected."""
    from xlrd import XLRDError, open_workbook

    try:
        workbook = open_workbook(str(path))
    except XLRDError as error:
        if "encrypted" in str(error):
            raise PasswordProtected(f"{name} is protected by a password: save it without one") from error
        raise
    for page, sheet in enumerate(workbook.sheets(), 1):
        rows = ([_xls_value(cell, workbook.datemode) for cell in row] for row in sheet.get_rows())
        yield from sheet_to_elements(sheet.name, rows, page)


def sheet_to_elements(title: str, rows: Iterable[Sequence[object]], page: int) -> Iterator[Element]:
    """Its rows under its name; nothing for an empty one."""
    elements = rows_to_elements(rows, page=page)
    for first in elements:
        yield Element("title", title, depth=1, page=page)
        yield first
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
