"""The Duke workbook `Clinical_and_Other_Features.xlsx`: facts known before any outcome.

Columns are found by name, not by place; codes are decoded with the code lists that the workbook itself
has in its third header row. Of a date of birth only the age in whole years is kept, and of ages from 90
on only that: they are rare enough to tell a person.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.intake.guard import reading
from textbcs.intake.spelling import plain
from textbcs.intake.workbooks import check_workbook

if TYPE_CHECKING:
    import pandas as pd

_SHEET = "Data"
_HEADER_ROWS = 3
_DAYS_A_YEAR = 365.25
_OLDEST = 90
# What the workbook says of patients of whom it is not known.
_NOT_KNOWN = "N/A"
_MISSING = {"", "NC", "NP", "NA", "nan", "None"}


def read_clinical(path: str | Path) -> "pd.DataFrame":
    """Read the facts that the pipeline uses.

    Returns:
        One row per patient, indexed by the row that a spreadsheet shows; text: patient;
        tumour_location L, R or ""; multifocal 0, 1 or "";
        position FFP, HFP or ""; field_strength_t or ""; age_years at diagnosis, whole, at most 90, or
        ""; menopause pre, post, unknown or ""; density as the workbook's code list spells it, or "".
        The last three are "" for all where the workbook has no such column.

    Raises:
        InputError: no such workbook, no sheet `Data`, a column is missing or there twice, or a
            patient is listed twice, case ignored.
    """
    import pandas as pd

    check_workbook(Path(path))
    with reading(path, "clinical workbook"):
        raw = pd.read_excel(path, sheet_name=_SHEET, header=None, dtype=object)
    sheet = _Sheet(path, raw)
    location, _ = sheet.column("Tumor Location")
    multifocal, _ = sheet.column("Multicentric/Multifocal")
    menopause = _decoded(*sheet.column_if_there("Menopause (at diagnosis)"))
    birth, _ = sheet.column_if_there("Date of Birth (Days)")
    table = pd.DataFrame(
        {
            "patient": sheet.column("Patient ID")[0],
            "tumour_location": [value if value in ("L", "R") else "" for value in location],
            "multifocal": [value if value in ("0", "1") else "" for value in multifocal],
            "position": _decoded(*sheet.column("Patient Position During MRI")),
            "field_strength_t": _decoded(*sheet.column("Field Strength (Tesla)")),
            "age_years": [_age(value) for value in birth],
            "menopause": ["unknown" if value == _NOT_KNOWN else value for value in menopause],
            "density": _decoded(*sheet.column_if_there("Breast Density")),
        },
        index=sheet.body.index + 1,
    )
    return _one_row_each(table, path)


class _Sheet:
    """The sheet `Data`: three header rows, of which the second names columns and the third has codes."""

    def __init__(self, path: str | Path, raw: "pd.DataFrame") -> None:
        self.path = path
        self.raw = raw
        enough = len(raw) >= _HEADER_ROWS
        self.names = [_text(value) for value in raw.iloc[1]] if enough else []
        body = raw.iloc[_HEADER_ROWS:]
        self.body = body[[_text(value) != "" for value in body.iloc[:, 0]]]

    def column(self, name: str) -> tuple[list[str], dict[str, str]]:
        """A column's texts and the meanings of its codes."""
        where = f"{self.path}: sheet {_SHEET!r} has"
        if name not in self.names:
            raise InputError(f"{where} no column {name!r} in its second row")
        if self.names.count(name) > 1:
            raise InputError(f"{where} two columns {name!r}; remove one")
        place = self.names.index(name)
        codes = _codes(_text(self.raw.iat[2, place]))
        return [_text(value) for value in self.body.iloc[:, place]], codes

    def column_if_there(self, name: str) -> tuple[list[str], dict[str, str]]:
        """The same of a column that a workbook may lack: then no patient has a value."""
        return self.column(name) if name in self.names else ([""] * len(self.body), {})


def _one_row_each(table: "pd.DataFrame", path: str | Path) -> "pd.DataFrame":
    """The table where no patient has two rows. Masks are found without case, so it tells nobody apart."""
    twice = table["patient"][table["patient"].str.casefold().duplicated()]
    if len(twice):
        raise InputError(f"{path}: patient {plain(twice.iloc[0])} is listed twice; remove one row")
    return table


def _codes(text: str) -> dict[str, str]:
    """A code list such as `FFP=0,HFP=1` or `{0 = pre, 1 = post}` as {code: value}."""
    pairs = re.findall(r"([^,={}]+)=\s*([-\d.]+)\s*(?:,|$|})", text)
    if not pairs:
        pairs = [(value, code) for code, value in re.findall(r"([-\d.]+)\s*=([^,={}]+)", text)]
    return {code: value.strip() for value, code in pairs}


def _age(days: str) -> str:
    """Whole years from a day of birth that is counted from the diagnosis; "" where it is none."""
    if not re.fullmatch(r"-?\d+", days):
        return ""
    return str(min(int(abs(int(days)) / _DAYS_A_YEAR), _OLDEST))


def _decoded(values: list[str], codes: dict[str, str]) -> list[str]:
    return [codes.get(value, "") for value in values]


def _text(value: object) -> str:
    """A cell as text: whole numbers without a point, missing values as ''."""
    if isinstance(value, float):
        value = "" if value != value else int(value) if value.is_integer() else value
    text = str(value).strip()
    return "" if text in _MISSING else text
