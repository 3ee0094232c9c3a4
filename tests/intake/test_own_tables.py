"""Tables of people: the cells as a spreadsheet shows them, and every fault in one line."""

from datetime import date, datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from textbcs.base.io import InputError
from textbcs.intake.own_tables import read_own_table

COLUMNS = ("patient_id", "slice")


def book(rows: list[list[object]], change=None) -> bytes:
    """A workbook of one sheet."""
    made = Workbook()
    for row in rows:
        made.active.append(row)
    if change is not None:
        change(made)
    buffer = BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def written(folder: Path, content: bytes | str, name: str = "t.xlsx") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: bytes | str, optional: tuple[str, ...] = ()) -> dict:
    """The rows of a table by their numbers."""
    table = read_own_table(written(folder, content), COLUMNS, optional)
    assert list(table.columns)[:2] == list(COLUMNS)
    assert all(isinstance(value, str) for row in table.to_numpy() for value in row)
    return {int(n): list(row) for n, row in zip(table.index, table.to_numpy(), strict=True)}


def refused(folder: Path, content: bytes | str, optional: tuple[str, ...] = ()) -> str:
    path = written(folder, content)
    with pytest.raises(InputError) as error:
        read_own_table(path, COLUMNS, optional)
    said = str(error.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "text",
    [
        "patient_id,slice\n007,3\n\nP 2,4\n",
        "patient_id;slice\r\n007;3\r\n;\r\nP 2;4\r\n",
        "slice\tPatient ID\n3\t007\n\n4\tP 2",
        '\ufeffPatient-ID , Slice\n"007"," 3 "\n\u200b, \nP 2,4,\n',
        'sep=;\n"patient_id";"slice"\n="007";3\n\n"P 2";4\n',
        "patient_id,slice,notes; more\n007,3,a;b\n\nP 2,4,\n",
        'patient_id,slice,note\n007,3,"two\nlines"\n\nP 2,4,\'\n',
        "patient_id,slice,note\n007,3\n\nP 2,4\n",
    ],
)
def test_every_spreadsheets_csv_gives_the_same_rows(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {2: ["007", "3"], 4: ["P 2", "4"]}
    assert read(tmp_path, text.encode("utf-16")) == {2: ["007", "3"], 4: ["P 2", "4"]}


def test_cells_of_a_workbook_are_what_excel_shows(tmp_path: Path) -> None:
    def zeros(made: Workbook) -> None:
        made.active["A3"].number_format = "000"

    rows = [
        ["Patient ID", "slice", "unused"],
        ["007", 3.0, None],
        [7, 0.1 + 0.2, None],
        [None, None, None],
        [date(2024, 5, 31), datetime(2024, 5, 31, 10, 30), None],
        [True, " é ", None],
        [123456789012345, 1.5, None],
    ]
    assert read(tmp_path, book(rows, zeros)) == {
        2: ["007", "3"],
        3: ["007", "0.3"],
        5: ["2024-05-31", "2024-05-31 10:30:00"],
        6: ["TRUE", "é"],
        7: ["123456789012345", "1.5"],
    }


def test_the_sheet_that_has_the_columns_is_read(tmp_path: Path) -> None:
    def second(made: Workbook) -> None:
        other = made.create_sheet("data")
        other["A3"], other["B3"], other["A4"], other["B4"] = "slice", "patient_id", 5, "a"

    assert read(tmp_path, book([["read me"]], second)) == {4: ["a", "5"]}
    assert refused(tmp_path, book([list(COLUMNS), ["a", 1]], second)) == (
        "sheets 'Sheet' and 'data' both hold the table; keep one"
    )
    path = written(tmp_path, book([["read me"]], second))
    with pytest.raises(InputError, match="has no sheet 'Data'; it has 'Sheet', 'data'"):
        read_own_table(path, COLUMNS, sheet="Data")
    assert len(read_own_table(path, COLUMNS, sheet="data")) == 1


def edited(cells: dict[str, object], merged: str = ""):
    def change(made: Workbook) -> None:
        for place, value in cells.items():
            made.active[place] = value
        if merged:
            made.active.merge_cells(merged)

    return change


ROWS = [[*COLUMNS, "note"], ["a", 1, 0], ["b", 2, 0], ["c", 3, 0]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edited({}, "A2:A3"), "cell A2 of sheet 'Sheet' is merged (A2:A3); split the cells and"),
        (edited({"B3": "=1+1"}), "cell B3 of sheet 'Sheet' holds a formula without a result; open"),
        (edited({"B4": "#N/A"}), "cell B4 of sheet 'Sheet' holds the error #N/A"),
        (edited({"C1": "Slice "}), "column 'slice' occurs twice; keep one"),
        (edited({"B1": "slcie"}), "has no column 'slice'; is 'slcie' meant?; its columns are"),
        (edited({"A1": "Patients\nof 2024"}), "has no column 'patient_id'; its columns are Patients of"),
        (edited({"XFC900": 1}), "sheet 'Sheet' has 900 rows and 16383 columns; delete the empty"),
    ],
)  # fmt: skip
def test_faults_of_cells_and_columns(tmp_path: Path, change, words: str) -> None:
    assert refused(tmp_path, book(ROWS, change)).startswith(words)


def test_faults_in_columns_that_are_not_read_do_not_matter(tmp_path: Path) -> None:
    change = edited({"C3": "#N/A", "D2": "=A2", "E1": "note"}, "C3:C4")
    assert read(tmp_path, book(ROWS, change)) == {2: ["a", "1"], 3: ["b", "2"], 4: ["c", "3"]}


def test_a_misspelt_optional_column_is_not_overlooked(tmp_path: Path) -> None:
    text = "patient_id,slice,locaton\na,1,left\n"
    assert "column 'locaton' is almost 'location'" in refused(tmp_path, text, ("location",))
    assert read(tmp_path, text.replace("locaton", "location"), ("location",)) == {
        2: ["a", "1", "left"]
    }
    assert read(tmp_path, text.replace("locaton", "reader"), ("location",)) == {2: ["a", "1"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b",,\n;\n", "has no column 'patient_id'"),
        ("patient_id,slice\na,0,9\n", "row 2 has 3 cells, the header 2; put quotes around a cell"),
        ('patient_id,slice\na,"1\n', "no readable CSV table (unexpected end of data)"),
        ("patient_id,slice\n\nJos\xe9,1\n".encode("cp1252"), "line 3 is not UTF-8; save the table"),
        (b"patient_id,slice\na\0,1\n", "is no text"),
        (b"%PDF-1.7\n1 0 obj\n", "has no column 'patient_id'"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old workbook (.xls); save it as"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "the workbook has a password; save it without one",
        ),
        (b"PK\x03\x04 and no more", "no readable workbook (.xlsx) (File is not a zip file)"),
    ],
)
def test_files_that_hold_no_table(tmp_path: Path, content: bytes | str, words: str) -> None:
    assert refused(tmp_path, content).startswith(words)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("word/document.xml", "a zip archive that holds no workbook"),
        ("content.xml", "an OpenDocument file; save it as .xlsx"),
        ("xl/workbook.bin", "a binary workbook (.xlsb); save it as .xlsx"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, member: str, words: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr(member, "<x/>")
    assert refused(tmp_path, (tmp_path / "made.zip").read_bytes()).startswith(words)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file is missing; no stage makes it"):
        read_own_table(tmp_path / "none.csv", COLUMNS)


WHOLE = book([list(COLUMNS), *([f"P{n:03d}", n] for n in range(30))])
TRUE = {n + 2: [f"P{n:03d}", str(n)] for n in range(30)}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, len(WHOLE) - 1), st.sampled_from([1 << bit for bit in range(8)] + [0]))
def test_a_damaged_workbook_is_never_another_one(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    """A flipped bit anywhere, or an end cut off (flip 0): an error, or the very same cells."""
    content = bytearray(WHOLE)
    content[place] ^= flip
    path = written(tmp_path_factory.getbasetemp(), bytes(content) if flip else WHOLE[:place])
    said = ""
    try:
        table = read_own_table(path, COLUMNS)
    except InputError as error:
        said = str(error)
    if said:
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        return
    found = zip(table.index, table.to_numpy(), strict=True)
    assert {int(n): list(row) for n, row in found} == TRUE
