"""The ledger summed up, without what names a file or a patient."""

import pandas as pd
import pytest

from textbcs.intake.left_out import COLUMNS, general, summary


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("empty file", "empty file"),
        ("damaged DICOM file (cut short: it ends before X)", "damaged DICOM file"),
        ("a copy of MUELLER/IM1", "a copy of another file"),
        (
            "has the SOPInstanceUID of MUELLER and other content",
            "has the SOPInstanceUID of another file",
        ),
        ("the patient is excluded: post1: MUELLER", "the patient is excluded"),
    ],
)
def test_a_reason_names_nobody(reason: str, said: str) -> None:
    assert general(reason) == said


def test_counts_by_kind_and_reason() -> None:
    rows = [
        ("1", "DICOM image MR", "1.2", "yes", ""),
        ("2", "text", "", "no", "no DICOM file"),
        ("3", "DICOM file", "", "no", "damaged DICOM file (a)"),
        ("4", "DICOM file", "", "no", "damaged DICOM file (b)"),
    ]
    found = summary(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert found == [("DICOM file", "damaged DICOM file", 2), ("text", "no DICOM file", 1)]
    assert summary(pd.DataFrame(rows[:1], columns=list(COLUMNS))) == []
