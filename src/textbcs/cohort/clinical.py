"""The Duke workbook `Clinical_and_Other_Features.xlsx`: facts known before any outcome.

Columns are found by name, not by place; codes are decoded with the code lists that the workbook itself
has in its third header row.
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
_MISSING = {"", "NC", "NP", "NA", "nan", "None"}


def read_clinical(path: str | Path) -> "pd.DataFrame":
    """Read the facts that the pipeline uses.

    Returns:
        One row per patient, text: patient; tumour_location L, R or ""; multifocal 0, 1 or "";
        position FFP, HFP or ""; field_strength_t or "".

    Raises:
        InputError: no such workbook, no sheet `Data`, a column is missing or there twice, or a
            patient is listed twice, case ignored.
    """
    import pandas as pd

    check_workbook(Path(path))
    with reading(path, "clinical workbook"):
        raw = pd.read_excel(path, sheet_name=_SHEET, header=None, dtype=object)
    names = [_text(value) for value in raw.iloc[1]] if len(raw) >= _HEADER_ROWS else []
    body = raw.iloc[_HEADER_ROWS:]
    body = body[[_text(value) != "" for value in body.iloc[:, 0]]]

    def column(name: str) -> tuple[list[str], dict[str, str]]:
        """A column's texts and the meanings of its codes."""
        if name not in names:
            raise InputError(f"{path}: sheet {_SHEET!r} has no column {name!r} in its second row")
        if names.count(name) > 1:
            raise InputError(f"{path}: sheet {_SHEET!r} has two columns {name!r}; remove one")
        place = names.index(name)
        codes = _codes(_text(raw.iat[2, place]))
        return [_text(value) for value in body.iloc[:, place]], codes

    location, _ = column("Tumor Location")
    multifocal, _ = column("Multicentric/Multifocal")
    table = pd.DataFrame(
        {
            "patient": column("Patient ID")[0],
            "tumour_location": [value if value in ("L", "R") else "" for value in location],
            "multifocal": [value if value in ("0", "1") else "" for value in multifocal],
            "position": _decoded(*column("Patient Position During MRI")),
            "field_strength_t": _decoded(*column("Field Strength (Tesla)")),
        }
    )
    return _one_row_each(table, path)


def _one_row_each(table: "pd.DataFrame", path: str | Path) -> "pd.DataFrame":
    """The table where no patient has two rows. Masks are found without case, so it tells nobody apart."""
    twice = table["patient"][table["patient"].str.casefold().duplicated()]
    if len(twice):
        raise InputError(f"{path}: patient {plain(twice.iloc[0])} is listed twice; remove one row")
    return table


def _codes(text: str) -> dict[str, str]:
    """A code list such as `FFP=0,HFP=1` as {code: value}."""
    pairs = re.findall(r"([^,={}]+)=\s*([-\d.]+)\s*(?:,|$|})", text)
    return {code: value.strip() for value, code in pairs}


def _decoded(values: list[str], codes: dict[str, str]) -> list[str]:
    return [codes.get(value, "") for value in values]


def _text(value: object) -> str:
    """A cell as text: whole numbers without a point, missing values as ''."""
    if isinstance(value, float):
        value = "" if value != value else int(value) if value.is_integer() else value
    text = str(value).strip()
    return "" if text in _MISSING else text
