"""The clinical workbook: the phantom's and the real one through one reader."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from textbcs.base.io import InputError
from textbcs.cohort.clinical import read_clinical
from textbcs.phantom.dicom_headers import raw_planes
from textbcs.phantom.patient import draw_facts, make_patient
from textbcs.phantom.workbooks import (
    BOX_COLUMNS,
    COLUMNS,
    GROUPS,
    box_row,
    boxes_workbook,
    clinical_row,
    clinical_workbook,
)

BOOK = "Clinical_and_Other_Features.xlsx"
DENSITIES = ("predominantly fatty", "scattered", "heterogeneous", "extremely")


@pytest.fixture
def book(finished) -> Path:
    return finished / "data/phantom" / BOOK


def test_layout_is_the_real_ones() -> None:
    assert len(COLUMNS) == 101
    covered = [n for first, last, _ in GROUPS for n in range(first, last + 1)]
    assert covered == list(range(1, 101))


def test_the_readers_idiom_of_the_literature(book) -> None:
    """`read_excel(header=1).iloc[1:]`, as public code reads the real workbook."""
    table = pd.read_excel(book, sheet_name="Data", header=1).iloc[1:]
    assert list(table["Patient ID"]) == [f"Breast_MRI_{n:03d}" for n in range(1, 7)]
    assert {"Slice Thickness ", "Flip Angle \n", "Tumor Location", "Shape", "Shape.1"} <= set(table)


def test_the_real_layout_cell_by_cell(duke_tables, book) -> None:
    theirs = openpyxl.load_workbook(duke_tables / BOOK)["Data"]
    ours = openpyxl.load_workbook(book)["Data"]
    assert ours.max_column == theirs.max_column or ours.max_column == 100
    for column in range(1, 102):
        for row in (1, 2):
            assert ours.cell(row, column).value == theirs.cell(row, column).value, (row, column)
        code = ours.cell(3, column).value
        assert code is None or code == theirs.cell(3, column).value, column
    merged = {str(cells) for cells in ours.merged_cells.ranges}
    assert merged == {str(cells) for cells in theirs.merged_cells.ranges}
    names = openpyxl.load_workbook(duke_tables / BOOK, read_only=True).sheetnames
    assert openpyxl.load_workbook(book).sheetnames == names


def test_phantom_facts_come_back(book, settings) -> None:
    table = read_clinical(book)
    for index, row in enumerate(table.itertuples(), start=1):
        facts = draw_facts(settings, index)
        assert row.position == facts.position
        assert float(row.field_strength_t) == facts.tesla
        assert row.multifocal == str(int(facts.tumours > 1))
        assert row.tumour_location in ("", "L" if facts.side > 0 else "R")
        assert row.age_years == str(int(facts.age_days / 365.25))
        assert row.menopause == ("pre", "post")[facts.menopause]
        assert row.density == DENSITIES[make_patient(settings, index).anatomy.density]


def test_the_real_workbook(duke_tables) -> None:
    """Counts of the collection, known independently of this reader."""
    table = read_clinical(duke_tables / BOOK)
    assert len(table) == 922
    assert table["position"].value_counts().to_dict() == {"FFP": 759, "HFP": 163}
    assert table["multifocal"].value_counts().to_dict() == {"0": 555, "1": 367}
    assert table["tumour_location"].value_counts().to_dict() == {"R": 337, "L": 314, "": 271}
    assert set(table["field_strength_t"]) <= {"1.494", "1.5", "2.8936", "3"}


def test_the_real_patients_groups(duke_tables) -> None:
    """Plausible by what is known of women with breast cancer, and by counts made with pandas alone."""
    table = read_clinical(duke_tables / BOOK)
    ages = table["age_years"].astype(int)
    assert ages.between(21, 90).all()
    assert 50 < ages.mean() < 55
    assert table["menopause"].value_counts().to_dict() == {"post": 499, "pre": 407, "unknown": 16}
    medians = ages.groupby(table["menopause"]).median()
    assert medians["pre"] < 50 < medians["post"]
    raw = pd.read_excel(duke_tables / BOOK, sheet_name="Data", header=1).iloc[1:]
    words = {0: "heterogeneous", 1: "scattered", 3: "moderate", 4: "extremely"}
    words |= {5: "predominantly fatty"}
    assert list(table["density"]) == [words.get(code, "") for code in raw["Breast Density"]]
    assert (table["density"] != "").sum() == 157


def changed(book: Path, path: Path, name: str, change) -> pd.DataFrame:
    """What is read after `change` was called with every cell of a column, from its name on."""
    workbook = openpyxl.load_workbook(book)
    sheet = workbook["Data"]
    column = next(cell.column for cell in sheet[2] if cell.value == name)
    for row in range(2, sheet.max_row + 1):
        change(sheet.cell(row, column))
    workbook.save(path)
    return read_clinical(path)


def test_an_age_tells_no_date_and_no_very_old_person(book, tmp_path) -> None:
    days = iter(["Date of Birth (Days)", None, -33000, -8035, -8034, "NC", None, "1950-03-01"])
    table = changed(
        book,
        tmp_path / "b.xlsx",
        "Date of Birth (Days)",
        lambda cell: setattr(cell, "value", next(days)),
    )
    # 8035.5 days are 22 years; 33000 are 90.3.
    assert list(table["age_years"]) == ["90", "21", "21", "", "", ""]
    dates = {"Date of Birth (Days)", "Days to MRI (From the Date of Diagnosis)"}
    assert not dates & set(table)


def test_menopause_that_is_not_known_is_a_group_of_its_own(book, tmp_path) -> None:
    name = "Menopause (at diagnosis)"
    codes = iter([name, "{0 = pre,\n1 = post,\n2 = N/A}", 0, 1, 2, "NC", 7, None])
    table = changed(
        book, tmp_path / "b.xlsx", name, lambda cell: setattr(cell, "value", next(codes))
    )
    assert list(table["menopause"]) == ["pre", "post", "unknown", "", "", ""]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Date of Birth (Days)", "age_years"),
        ("Menopause (at diagnosis)", "menopause"),
        ("Breast Density", "density"),
    ],
)
def test_a_workbook_may_lack_the_groups(book, tmp_path, name, column) -> None:
    table = changed(
        book,
        tmp_path / "b.xlsx",
        name,
        lambda cell: setattr(cell, "value", "x" if cell.row == 2 else cell.value),
    )
    assert (table[column] == "").all()
    others = read_clinical(book)
    pd.testing.assert_frame_equal(table.drop(columns=column), others.drop(columns=column))


def test_workbook_bytes_are_a_function_of_the_rows(settings) -> None:
    patient = make_patient(settings, 1)
    corner = raw_planes(patient).positions[0]
    row = clinical_row(patient.facts, corner, patient.anatomy.density)
    assert clinical_workbook([row]) == clinical_workbook([row])
    boxes = [box_row(patient)]
    assert boxes_workbook(boxes) == boxes_workbook(boxes)
    assert b"2026" not in boxes_workbook(boxes)


def test_boxes_hold_the_mask(finished, settings) -> None:
    """1-based and inclusive, rows and columns of raw planes sorted by InstanceNumber."""
    table = pd.read_excel(finished / "data/phantom/Annotation_Boxes.xlsx", sheet_name="Sheet1")
    assert tuple(table.columns) == BOX_COLUMNS
    for index, row in enumerate(table.itertuples(index=False), start=1):
        patient = make_patient(settings, index)
        raw = raw_planes(patient).raw(patient.mask)
        top, bottom, left, right, first, last = (int(value) for value in row[1:])
        inside = raw[first - 1 : last, top - 1 : bottom, left - 1 : right]
        assert inside.sum() == raw.sum()
        for axis in range(3):  # tight on every side
            assert inside.any(axis=tuple({0, 1, 2} - {axis}))[[0, -1]].all()


def test_damaged_workbooks_are_one_line(book, tmp_path) -> None:
    broken = tmp_path / "book.xlsx"
    with pytest.raises(InputError, match="file is missing"):
        read_clinical(broken)
    broken.write_bytes(b"no workbook")
    with pytest.raises(InputError, match="is no workbook"):
        read_clinical(broken)
    workbook = openpyxl.load_workbook(book)
    workbook["Data"].cell(2, 39).value = "Tumour Site"
    workbook.save(broken)
    with pytest.raises(InputError, match="no column 'Tumor Location'"):
        read_clinical(broken)
    workbook = openpyxl.load_workbook(book)
    workbook["Data"].cell(5, 1).value = workbook["Data"].cell(4, 1).value
    workbook.save(broken)
    with pytest.raises(InputError, match="Breast_MRI_001 is listed twice"):
        read_clinical(broken)
    workbook["Data"].cell(5, 1).value = "breast_mri_001 "
    workbook.save(broken)
    with pytest.raises(InputError, match="breast_mri_001 is listed twice"):
        read_clinical(broken)
    for row in (4, 5):
        workbook["Data"].cell(row, 1).value = "first\nsecond"
    workbook.save(broken)
    with pytest.raises(InputError, match="patient first second is listed twice"):
        read_clinical(broken)
    broken.write_bytes(book.read_bytes()[:-3000])
    with pytest.raises(InputError, match="no readable"):
        read_clinical(broken)
    workbook = openpyxl.load_workbook(book)
    workbook["Data"].cell(2, 101).value = "Tumor Location"
    workbook.save(broken)
    with pytest.raises(InputError, match="two columns 'Tumor Location'"):
        read_clinical(broken)
    workbook = openpyxl.load_workbook(book)
    workbook["Data"].title = "data"
    workbook.save(broken)
    with pytest.raises(InputError, match="no readable"):
        read_clinical(broken)
