"""Rows of the clinical workbook without images are counted, and a misspelt patient is named."""

from pathlib import Path

import pandas as pd

from textbcs.cohort.unlisted_rows import KIND, unlisted_rows
from textbcs.intake.left_out import COLUMNS, summary

BOOK = Path("data/own/clinical.xlsx")


def clinical(*patients: str) -> pd.DataFrame:
    return pd.DataFrame({"patient": patients}, index=range(4, 4 + len(patients)))


def test_every_row_of_nobody_is_counted_once() -> None:
    found = unlisted_rows(BOOK, clinical("anna", "bertha", "zoe", "7"), ["anna", "berta", "007"])
    assert list(found.columns) == list(COLUMNS)
    assert set(found["file"]) == {str(BOOK)}
    assert list(found["reason"]) == [
        "the patient is not in the archive (row 5: bertha; did you mean 'berta'?)",
        "the patient is not in the archive (row 6: zoe)",
        "the patient is not in the archive (row 7: 7; did a spreadsheet take the leading zeros away: '007'?)",
    ]
    # The flow of patients names nobody.
    assert summary(found) == [(KIND, "the patient is not in the archive", 3)]


def test_nothing_is_said_where_all_are_there() -> None:
    assert unlisted_rows(BOOK, clinical("anna"), ["anna", "berta"]).empty


def test_whoever_has_her_own_row_is_not_meant_by_another() -> None:
    found = unlisted_rows(BOOK, clinical("berta", "bertha"), ["berta"])
    assert list(found["reason"]) == ["the patient is not in the archive (row 5: bertha)"]
