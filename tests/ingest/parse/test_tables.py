"""Rows: none cut, none lost, each under its header."""

import datetime
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook
from xlrd.sheet import Cell

from ingest.parse import parse
from ingest.parse.tables import _xls_value, is_header, rows_to_elements
from ingest.records import Element


@pytest.mark.parametrize(
    ("row", "header"),
    [
        (["name", "town"], True),
        (["Req", "#", "Level 1"], True),
        (["1", "Goroka Airport", "-6.08"], False),
        (["Anna", "2021-08-20"], False),
        (["only one"], False),
    ],
)
def test_a_header_names_several_columns_and_holds_no_value(row: list[str], header: bool) -> None:
    assert is_header(row) is header


def test_what_stands_above_a_table_is_text_and_not_its_header() -> None:
    rows = [
        ["3. Analyses by segment"],
        [],
        ["name", "sales"],
        ["A", 1.0],
        ["B", datetime.datetime(2024, 5, 1)],
    ]

    assert list(rows_to_elements(rows, page=2)) == [
        Element("text", "3. Analyses by segment", page=2),
        Element("table", "name | sales\nA | 1\nB | 2024-05-01", page=2),
    ]


def test_a_sheet_that_says_it_is_smaller_than_it_is_loses_no_cell(tmp_path: Path) -> None:
    workbook = Workbook()
    for row in (["name", "text"], ["a", "first"], ["b", "second"]):
        workbook.active.append(row)
    workbook.save(tmp_path / "right.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "right.xlsx") as right,
        zipfile.ZipFile(tmp_path / "wrong.xlsx", "w") as wrong,
    ):
        for member in right.namelist():
            wrong.writestr(member, right.read(member).replace(b'ref="A1:B3"', b'ref="A1"'))

    assert parse(tmp_path / "wrong.xlsx", "wrong.xlsx")[1].text == "name | text\na | first\nb | second"


def test_dates_of_old_sheets_are_dates() -> None:
    assert _xls_value(Cell(3, 45413.0), 0) == datetime.datetime(2024, 5, 1)
    assert _xls_value(Cell(4, 1), 0) is True
    assert _xls_value(Cell(5, 7), 0) is None
    assert _xls_value(Cell(1, "text"), 0) == "text"


def test_a_hidden_sheet_is_marked(tmp_path: Path) -> None:
    workbook = Workbook()
    workbook.active.append(["seen", "row"])
    workbook.create_sheet("Back").append(["hidden", "row"])
    workbook["Back"].sheet_state = "veryHidden"
    workbook.save(tmp_path / "a.xlsx")

    found = {element.text: element.unseen for element in parse(tmp_path / "a.xlsx", "a.xlsx")}

    assert found == {"Sheet": False, "seen | row": False, "Back": True, "hidden | row": True}
