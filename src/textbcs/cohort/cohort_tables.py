"""The tables of series, patients and files that describe a cohort, and which series of it are needed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.incoming import RAW as RAW
from textbcs.base.io import read_csv

if TYPE_CHECKING:
    import pandas as pd


SERIES = Path("data/cohort/series.csv")


PATIENTS = Path("data/cohort/patients.csv")


FILES = Path("data/cohort/files.csv")


# Every file of a person's folder, used or not. It names files, so it leaves the machine with nothing.
INTAKE = Path("data/cohort/intake.csv")


FILE_COLUMNS = (
    "patient",
    "series_uid",
    "sop_uid",
    "instance_number",
    "path",
    "bytes",
    "sha256",
)


_TEXT = {"patient": str, "series_uid": str, "sop_uid": str, "path": str, "sha256": str}


def select(
    series: "pd.DataFrame",
    patients: "pd.DataFrame",
    cohort: Mapping[str, Any],
    masks: Mapping[str, Any],
) -> "pd.DataFrame":
    """The rows of `series` that are needed: chosen phases and masks of patients not excluded."""
    eligible = set(patients.loc[patients["excluded"] == "", "patient"])
    described_by = [one["description"] for one in masks["sources"] if one["kind"] == "dicom_seg"]
    patterns = [re.compile(pattern) for pattern in described_by]

    def needed(patient: str, phase: str, description: str) -> bool:
        """Whether a series is an image to fetch or a segmentation that a source describes."""
        described = any(pattern.search(description) for pattern in patterns)
        return patient in eligible and (
            phase in cohort["phases"] or (phase == "mask" and described)
        )

    keys = zip(series["patient"], series["phase"], series["description"], strict=True)
    return series.loc[[needed(*key) for key in keys]]


def read_series_table(path: Path = SERIES) -> "pd.DataFrame":
    """`series.csv` with identifiers and texts as text, empty for missing."""
    texts = ["patient", "study_uid", "series_uid", "modality", "phase", "description"]
    table = read_csv(path, texts, dtype=dict.fromkeys(texts, str))
    table[texts] = table[texts].fillna("")
    return table


def read_patients(path: Path = PATIENTS) -> "pd.DataFrame":
    """`patients.csv`, all text, empty for missing."""
    columns = ["patient", "manufacturer", "field_strength_t", "position"]
    columns += ["tumour_location", "multifocal", "excluded"]
    texts = [*columns, "age_years", "menopause", "density"]
    return read_csv(path, columns, dtype=dict.fromkeys(texts, str)).fillna("")


def read_files(path: Path = FILES) -> "pd.DataFrame":
    """`files.csv` with its identifiers as text."""
    return read_csv(path, FILE_COLUMNS, dtype=_TEXT)
