"""Tables that people write: CSV of any spreadsheet, or a workbook, as text, with every fault named."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import OWN_FILE, InputError, existing
from textbcs.intake.guard import reading
from textbcs.intake.spelling import nearest, short
from textbcs.intake.workbooks import Sheet, is_workbook, read_sheets

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = (",", ";", "\t")
_LARGEST = 200 << 20
# What a copied text may carry at its ends and nobody sees.
_EDGES = re.compile(r"^[\s\u200b\u2060\ufeff]+|[\s\u200b\u2060\ufeff]+$")


def read_own_table(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), sheet: str = ""
) -> "pd.DataFrame":
    """Read a table that a person made: CSV (comma, semicolon or tab; UTF-8 or UTF-16) or XLSX.

    The content decides which, not the suffix. The first row that holds something is the header;
    case, blanks, hyphens and underscores of its names do not matter. Other columns are left out. Of
    several sheets, the one that has the required columns is read.

    Args:
        path: the table.
        required: columns that it must have.
        optional: columns that it may have; one that is almost spelt so is an error.
        sheet: read this sheet of a workbook and no other.

    Returns:
        Text, stripped, "" where empty; whole numbers without a point. Columns are called as asked
        for, in that order. The index is the number of the row as a spreadsheet shows it; rows without
        any content are left out.

    Raises:
        InputError: no readable table; a column that is missing, misspelt or there twice; several
            sheets that fit; a cell of these columns that is merged or has no value; a row of a CSV
            that has more cells than its header.
    """
    import pandas as pd

    names = [*required, *optional]
    found = _chosen(path, _sheets(path, names, sheet), required)
    header = next(iter(found.rows))
    places = _places(path, found, required, optional)
    _check_cells(path, found, header, set(places.values()))
    rows = {number: cells for number, cells in found.rows.items() if number > header}
    table = pd.DataFrame(
        {
            name: [cells[place] if place < len(cells) else "" for cells in rows.values()]
            for name, place in places.items()
        },
        index=list(rows),
        dtype=object,
    )
    return table.astype(str)


def _check_cells(path: Path, sheet: Sheet, header: int, columns: set[int]) -> None:
    """InputError for the first cell of some columns, from the header on, that has no value to read."""
    where = f" of sheet {sheet.title!r}" if sheet.title else ""
    for row, column, fault in sheet.faults:
        if row >= header and (column in columns or column < 0):
            cell = f"cell {_letter(column)}{row}{where} " if column >= 0 else f"row {row} "
            raise InputError(f"{path}: {cell}{fault}")


def _sheets(path: Path, names: Sequence[str], sheet: str) -> list[Sheet]:
    """The sheets of a file that hold something: all, or the one that is wanted."""
    size = existing(path, OWN_FILE).stat().st_size
    if size > _LARGEST:
        raise InputError(f"{path}: {size >> 20} MB are no table that a person wrote")
    with reading(path, "table"):
        content = path.read_bytes()
    if not content.strip():
        raise InputError(f"{path}: is empty")
    if not is_workbook(content):
        return [_text_table(path, content, names)]
    sheets = read_sheets(path)
    if not sheets:
        raise InputError(f"{path}: every sheet is empty")
    if not sheet:
        return [_stripped(one) for one in sheets]
    wanted = [_stripped(one) for one in sheets if one.title == sheet]
    if not wanted:
        there = ", ".join(short(one.title) for one in sheets[:5])
        raise InputError(f"{path}: has no sheet {sheet!r}; it has {there}")
    return wanted


def _stripped(sheet: Sheet) -> Sheet:
    """The sheet with clean cells, without the rows that hold nothing else than blanks."""
    rows = {number: [_clean(cell) for cell in cells] for number, cells in sheet.rows.items()}
    return Sheet(sheet.title, {n: cells for n, cells in rows.items() if any(cells)}, sheet.faults)


def _text_table(path: Path, content: bytes, names: Sequence[str]) -> Sheet:
    """A CSV file; the separator is the one that gives the header most of the wanted names."""
    text = _decoded(path, content)
    separator = ""
    if stated := re.match(r"sep=([,;\t])\r?\n", text):  # Excel's own line, which it does not show
        separator, text = stated[1], text[stated.end() :]
    with reading(path, "CSV table"):
        if not separator:
            separator = max(_SEPARATORS, key=lambda one: _fit(text, one, names))
        lines = list(_records(text, separator))
    sheet = Sheet("", dict(enumerate(([_clean(cell) for cell in line] for line in lines), start=1)))
    sheet = _stripped(sheet)
    width = len(next(iter(sheet.rows.values()), []))
    for number, cells in sheet.rows.items():
        if any(cells[width:]):
            fault = f"has {len(cells)} cells, the header {width}; put quotes around a cell that "
            sheet.faults.append((number, -1, fault + f"holds a {separator!r}"))
    if not sheet.rows:
        raise InputError(f"{path}: is empty")
    return sheet


def _decoded(path: Path, content: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 where it begins with its mark."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: line {line} is not UTF-8; save the table as 'CSV UTF-8' or as .xlsx"
        ) from error
    if "\0" in text:
        raise InputError(f"{path}: is no text; save the table as 'CSV UTF-8' or as .xlsx")
    return text


def _records(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)


def _fit(text: str, separator: str, names: Sequence[str]) -> tuple[int, int]:
    """How many wanted names a separator gives the header, and how many columns."""
    try:
        first = next((line for line in _records(text, separator) if any(map(_clean, line))), [])
    except csv.Error:
        return 0, 0
    found = {_key(cell) for cell in first}
    return sum(_key(name) in found for name in names), len(first)


def _chosen(path: Path, sheets: Sequence[Sheet], required: Sequence[str]) -> Sheet:
    """The one sheet that has the required columns; the first where none has."""
    fitting = [
        sheet
        for sheet in sheets
        if {_key(name) for name in required} <= set(map(_key, next(iter(sheet.rows.values()))))
    ]
    if len(fitting) > 1:
        both = " and ".join(repr(sheet.title) for sheet in fitting[:2])
        raise InputError(f"{path}: sheets {both} both hold the table; keep one")
    return (fitting or list(sheets))[0]


def _places(
    path: Path, sheet: Sheet, required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    """The column of each name that is there; what is missing, misspelt or there twice is an error."""
    header = next(iter(sheet.rows.values()))
    keys = [_key(cell) for cell in header]
    wanted = {_key(name): name for name in [*required, *optional]}
    others = [cell for cell, key in zip(header, keys, strict=True) if cell and key not in wanted]
    shown = ", ".join(
        cell if len(cell) <= 30 else cell[:27] + "..." for cell in header[:12] if cell
    )
    for key, name in wanted.items():
        if keys.count(key) > 1:
            raise InputError(f"{path}: column {name!r} occurs twice; keep one")
        if key in keys:
            continue
        near = nearest(name, others)
        if name in required:
            likely = f"; is {near!r} meant?" if near else ""
            columns = " ".join(shown.split())
            raise InputError(f"{path}: has no column {name!r}{likely}; its columns are {columns}")
        if near:
            raise InputError(
                f"{path}: column {near!r} is almost {name!r}; correct the name, or choose another"
            )
    return {name: keys.index(key) for key, name in wanted.items() if key in keys}


def _key(name: str) -> str:
    """A column's name as it is compared."""
    return re.sub(r"[\s_-]+", "_", _clean(name).casefold())


def _clean(text: str) -> str:
    """A cell without what surrounds its text; `="007"`, which keeps zeros in Excel, is 007."""
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return _EDGES.sub("", unicodedata.normalize("NFC", text))


def _letter(column: int) -> str:
    """A column's letters from its number, which counts from 0: 0 is A, 26 is AA."""
    letters, rest = "", column + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(65 + digit) + letters
    return letters
