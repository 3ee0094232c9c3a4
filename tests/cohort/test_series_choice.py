"""The table that names the series of each phase."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from cohort_stage import COHORT, made_series

from textbcs.base.io import InputError
from textbcs.cohort.listing import choose_cohort

PARTS = [made_series(f"1.3-{n}", f"dyn {n}", series_number=3) for n in (1, 2)]
FOUND = [
    made_series("1.1", "T1 before"),
    made_series("1.2", "t1  AFTER", series_number=2),
    made_series("1.20", "T1 late", series_number=20),
    *PARTS,
    made_series("1.4", "thorax", modality="CT", series_number=4),
    made_series("2.1", "T1 before", patient="P2", study_uid="2"),
]


def chosen(folder: Path, *rows: str, header: str = "patient,phase,series_uid", **cohort: Any):
    """{series UID: phase} and {patient: reason} of a table."""
    path = folder / "series.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    listing = choose_cohort(FOUND, COHORT | {"series": str(path)} | cohort)
    table = listing.series[listing.series["phase"] != ""]
    reasons = dict(zip(listing.patients["patient"], listing.patients["excluded"], strict=True))
    return dict(zip(table["series_uid"], table["phase"], strict=True)), reasons


def test_the_table_decides(tmp_path: Path) -> None:
    """Though neither description matches `cohort.descriptions`."""
    phases, reasons = chosen(tmp_path, "P1,pre,1.1", "P1,post1,1.2")
    assert phases == {"1.1": "pre", "1.2": "post1"}
    assert reasons == {"P1": "", "P2": "series.csv has no row of the patient"}


def test_by_number_and_by_description(tmp_path: Path) -> None:
    header = "patient;phase;series_number;description"
    rows = ("P1;pre;;t1 before", "P1;post1;2;")
    assert chosen(tmp_path, *rows, header=header)[0] == {"1.1": "pre", "1.2": "post1"}
    rows = ("P1;PRE;20;T1 late", "P1;post1;3;dyn 2")
    assert chosen(tmp_path, *rows, header=header)[0] == {"1.20": "pre", "1.3-2": "post1"}


def test_a_workbook_with_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Patient", "Phase", "Series Number"], ["P1", "pre", 1], ["P1", "post1", 20]):
        book.active.append(row)
    book.save(tmp_path / "series.xlsx")
    cohort = COHORT | {"series": str(tmp_path / "series.xlsx")}
    table = choose_cohort(FOUND, cohort).series
    assert dict(zip(table["series_uid"], table["phase"], strict=True))["1.20"] == "post1"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("P1,post1,9.9", r"row 3: series_uid '9\.9' names no series of the patient; there are"),
        ("P1,post1,1.3", r"row 3: series_uid '1\.3' names 2 series \('dyn 1', 'dyn 2'\)"),
        ("P1,post1,1.4", r"row 3: series_uid '1\.4' names a series of modality CT"),
        ("P1,post1,2.1", r"row 3: series_uid '2\.1' names no series of the patient"),
        ("P1,post1,1.1", r"row 3: its series is pre already"),
        ("P1,pre,1.2", r"row 3: patient and phase are those of row 2"),
        ("P1,post,1.2", r"row 3: phase 'post': allowed are pre, post1"),
        ("P1,post1,", r"row 3: names no series"),
        (",post1,1.2", r"row 3: has no patient"),
        ("P3,post1,1.2", r"row 3: patient 'P3' is not in the archive"),
    ],
)
def test_a_row_matches_one_series_or_is_an_error(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(InputError, match=rf"series\.csv: {fault}") as caught:
        chosen(tmp_path, "P1,pre,1.1", row)
    assert "\n" not in str(caught.value)


def test_zeros_that_a_spreadsheet_took(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("patient,phase,description\n7,post1,x\n")
    found = [made_series("1.1", "x", patient="007")]
    with pytest.raises(InputError, match=r"'7' is not in the archive; .*leading zeros.*'007'"):
        choose_cohort(found, COHORT | {"series": str(path)})


def test_phases_that_the_table_lacks_exclude(tmp_path: Path) -> None:
    assert chosen(tmp_path, "P1,pre,1.1")[1]["P1"] == "series.csv has no row of phase post1"
    rows = ("P1,post1,1.2",)
    assert chosen(tmp_path, *rows)[1]["P1"] == "series.csv has no row of phase pre"
    assert chosen(tmp_path, *rows, phases=["post1"])[1]["P1"] == ""


def test_rows_of_others_do_not_count(tmp_path: Path) -> None:
    rows = ("P1,pre,1.1", "P1,post1,1.2", "P9,pre,5", "P2,pre,nothing")
    assert chosen(tmp_path, *rows, patients=["P1"])[1] == {"P1": ""}
    with pytest.raises(InputError, match="row 5"):
        chosen(tmp_path, *rows[:2], "P2,post1,2.1", "P2,pre,no", patients=["P1", "P2"])
    reasons = chosen(tmp_path, *rows[:2], "P2,pre,no", exclude=["P2"])[1]
    assert reasons["P2"] == "excluded by cohort.exclude"


def test_series_of_two_studies_exclude(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("patient,phase,series_uid\nP1,pre,1.1\nP1,post1,1.2\n")
    found = [made_series("1.1"), made_series("1.2", study_uid="1.7")]
    listing = choose_cohort(found, COHORT | {"series": str(path)})
    assert list(listing.patients["excluded"]) == ["series.csv names series of different studies"]
