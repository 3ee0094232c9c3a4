"""Rows of the clinical workbook whose patient the archive does not have: counted, never without a word."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.intake.left_out import COLUMNS, UNUSED
from textbcs.intake.spelling import hint, plain

if TYPE_CHECKING:
    import pandas as pd

KIND = "row of the clinical workbook"
# Looking for the nearest name takes long among many; the first say what is wrong with all.
_HINTS = 50
NOT_THERE = "the patient is not in the archive"


def unlisted_rows(path: Path, clinical: "pd.DataFrame", archive: Collection[str]) -> "pd.DataFrame":
    """The rows as lines of the ledger of intake.

    Args:
        path: the workbook.
        clinical: column `patient`, indexed by the row that a spreadsheet shows.
        archive: all patients of the archive, also those who do not take part.

    Returns:
        Columns `intake.left_out.COLUMNS`, in the workbook's order. In brackets stand the row, the patient
        and, where one without a row is nearly called so, whom it may mean.
    """
    import pandas as pd

    known = set(archive)
    without = sorted(known - set(clinical["patient"]))
    rows: list[list[str]] = []
    for number, patient in clinical["patient"].items():
        if patient in known:
            continue
        words = hint(str(patient), without) if without and len(rows) < _HINTS else ""
        about = f"row {number}: {plain(patient)}" + (f"; {words}" if words else "")
        rows.append([str(path), KIND, "", UNUSED, f"{NOT_THERE} ({about})"])
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
