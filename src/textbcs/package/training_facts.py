"""What a network was trained on, so that a study unlike it can be told: counts and ranges, no patient."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv
from textbcs.dataset.slice_store import COLUMNS as SLICE_COLUMNS
from textbcs.dataset.split_table import SPLITS, TRAIN, VAL
from textbcs.dataset.volume_store import COLUMNS as VOLUME_COLUMNS
from textbcs.dataset.volume_store import VOLUMES

if TYPE_CHECKING:
    import pandas as pd

Read = Callable[[str | Path], Path]


def training_facts(cohort: Mapping[str, Any], read: Read) -> dict[str, Any]:
    """The section `training` of `package.json`.

    Distances between slices, and their number, are those of the validation patients, who are drawn from the
    same cohort: of training patients single slices are kept.

    Args:
        cohort: the parameters of `cohort`.
        read: gives a file of the pipeline by its path.

    Raises:
        InputError: a file is missing or damaged.
    """
    split = read_csv(read("data/splits/split.csv"), ["patient", "split"])
    text = {"field_strength_t": str, "manufacturer": str}
    people = read_csv(read("data/cohort/patients.csv"), ["patient", *text], text)
    series = read_csv(read("data/cohort/series.csv"), ["patient", "source", "licence", "doi"])
    slices = read_csv(read(f"data/slices/{TRAIN}/slices.csv"), SLICE_COLUMNS)
    volumes = read_csv(read(VOLUMES / VAL / "patients.csv"), VOLUME_COLUMNS)
    learnt = set(split.loc[split["split"] == TRAIN, "patient"])
    own, listed = (table[table["patient"].isin(learnt)] for table in (people, series))
    return {
        "cohort": {
            "kind": cohort["kind"],
            "collection": cohort["collection"],
            "source": "; ".join(_distinct(listed["source"])) or cohort["source"],
            "licence": "; ".join(_distinct(listed["licence"])) or cohort["licence"],
            "doi": "; ".join(_distinct(listed["doi"])) or cohort["doi"],
        },
        "patients": {name: int((split["split"] == name).sum()) for name in SPLITS},
        "mask_sources": _distinct(slices["mask_source"]),
        "spacing_mm": {
            "row": _range(slices["native_spacing_row_mm"]),
            "column": _range(slices["native_spacing_col_mm"]),
            "slice": _range(volumes["spacing_slice_mm"]),
        },
        "slices": _range(volumes["slices"]),
        "field_strength_t": sorted(_numbers(own["field_strength_t"])),
        "manufacturers": _distinct(own["manufacturer"]),
    }


def _distinct(column: "pd.Series[Any]") -> list[str]:
    """The different texts of a column, sorted; what is missing is none."""
    return sorted({str(value).strip() for value in column.dropna()} - {""})


def _range(column: "pd.Series[Any]") -> list[float]:
    """The least and the greatest value; of an empty column 0 and 0."""
    values = column.dropna()
    return [float(values.min()), float(values.max())] if len(values) else [0.0, 0.0]


def _numbers(column: Iterable[Any]) -> set[float]:
    """What of some texts is a number; clinical tables have words among them."""
    found = set()
    for value in column:
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if 0 < number < 100:
            found.add(number)
    return found
