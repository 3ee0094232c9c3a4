"""Workbooks (.xlsx) of other people: what they hold as text, and what makes them unreadable.

Everything is checked before a cell is believed: the archive's checksums, its size when unpacked, and
whether it is a workbook at all.
"""

import warnings
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import OWN_FILE, InputError, existing
from textbcs.intake.guard import reading
from textbcs.intake.spelling import plain

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

KIND = "workbook (.xlsx)"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LARGEST_UNPACKED = 200 << 20
_MOST_CELLS = 2_000_000
# Excel keeps 15 digits of a number and shows no others.
_DIGITS = ".15g"


@dataclass
class Sheet:
    """A sheet of cells as text.

    Attributes:
        title: its name; "" for a text file.
        rows: the rows that hold something, by the number that a spreadsheet shows; cells from the
            first column on.
        faults: cells that have no value to read: row, column (from 0) and why.
    """

    title: str
    rows: dict[int, list[str]] = field(default_factory=dict)
    faults: list[tuple[int, int, str]] = field(default_factory=list)


def is_workbook(content: bytes) -> bool:
    """Whether bytes begin as a workbook does, of whatever age; nothing else is checked."""
    return content.startswith((_ZIP, _OLE))


def check_workbook(path: Path) -> None:
    """Check the archive of an .xlsx workbook to its last byte.

    For callers that read the workbook with a library of their own, inside `reading(path, KIND)`.

    Raises:
        InputError: missing, damaged or cut off, encrypted, of another format, or too large.
    """
    content = existing(path, OWN_FILE).read_bytes()
    if content.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise InputError(f"{path}: the workbook has a password; save it without one")
        raise InputError(f"{path}: an old workbook (.xls); save it as .xlsx or as CSV UTF-8")
    if not content.startswith(_ZIP):
        said = "is empty" if not content else f"is no {KIND}"
        raise InputError(f"{path}: {said}; save it again as .xlsx")
    with reading(path, KIND), zipfile.ZipFile(BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > _LARGEST_UNPACKED:
            raise InputError(f"{path}: {size >> 20} MB when unpacked; keep the table alone in it")
        damaged = archive.testzip()
        names = set(archive.namelist())
    if damaged:
        raise InputError(f"{path}: damaged ({plain(damaged)} has another checksum); copy it again")
    if "xl/workbook.bin" in names:
        raise InputError(f"{path}: a binary workbook (.xlsb); save it as .xlsx")
    if "content.xml" in names:
        raise InputError(f"{path}: an OpenDocument file; save it as .xlsx or as CSV UTF-8")
    if "xl/workbook.xml" not in names:
        raise InputError(f"{path}: a zip archive that holds no workbook; save it as .xlsx")


def read_sheets(path: Path) -> list[Sheet]:
    """Every sheet of a workbook that holds something, hidden ones too.

    A whole number has no point ("7"), and the leading zeros that a format of zeros shows ("007");
    other numbers have the 15 digits that Excel keeps. A date is 2024-05-31.

    Raises:
        InputError: as `check_workbook`, or a sheet of too many cells.
    """
    from openpyxl import load_workbook

    check_workbook(path)
    with reading(path, KIND), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions that openpyxl leaves out
        values = load_workbook(path, data_only=True)
        formulas = load_workbook(path)
        try:
            sheets = [
                _sheet(path, sheet, formulas[sheet.title])
                for sheet in values.worksheets
                if sheet.max_row and sheet.max_column
            ]
        finally:
            values.close()
            formulas.close()
    return [sheet for sheet in sheets if sheet.rows]


def _sheet(path: Path, values: "Worksheet", formulas: "Worksheet") -> Sheet:
    """A sheet's cells as text, and its cells without a value."""
    if values.max_row * values.max_column > _MOST_CELLS:
        raise InputError(
            f"{path}: sheet {values.title!r} has {values.max_row} rows and {values.max_column} "
            "columns; delete the empty ones after the table"
        )
    sheet = Sheet(values.title)
    for number, cells in enumerate(values.iter_rows(), start=1):
        texts = []
        for column, cell in enumerate(cells):
            text, fault = _text(cell), ""
            if cell.data_type == "e":
                fault = f"holds the error {plain(cell.value)}"
            elif (
                cell.value is None
                and cell.data_type != "str"  # a formula with the result ""
                and formulas.cell(number, column + 1).data_type == "f"
            ):
                fault = "holds a formula without a result; open and save the file once in Excel"
                text = "="
            if fault:
                sheet.faults.append((number, column, fault))
            texts.append(text)
        if any(texts):
            sheet.rows[number] = texts
    for merged in formulas.merged_cells.ranges:
        fault = f"is merged ({merged.coord}); split the cells and fill each"
        sheet.faults += [
            (row, column - 1, fault)
            for row in range(merged.min_row, min(merged.max_row, values.max_row) + 1)
            for column in range(merged.min_col, min(merged.max_col, values.max_column) + 1)
        ]
    sheet.faults.sort()
    return sheet


def _text(cell: "Cell | Any") -> str:
    """A cell as a spreadsheet shows it, as far as a value's meaning goes."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        shown = str(cell.number_format)
        return str(value).zfill(len(shown)) if set(shown) == {"0"} else str(value)
    if isinstance(value, float):
        return format(value, _DIGITS)
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)
