"""Stage `cohort`: list an archive, map series to phases, choose one of each, exclude with reasons.

Reads the archive's DICOM headers and the clinical workbook; writes data/cohort/series.csv and
patients.csv. Phases follow from SeriesDescription as the Duke collection spells it, or as
`cohort.descriptions` says, with SeriesNumber where descriptions do not decide. No name, birth date or
file path goes into a table.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import NONE, InputError, write_csv
from textbcs.cohort.clinical import read_clinical
from textbcs.cohort.listing import list_tables
from textbcs.imaging.dicom import tesla_text

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

SERIES = Path("data/cohort/series.csv")
PATIENTS = Path("data/cohort/patients.csv")


def run(stage: "Stage") -> None:
    """List the archive that `params.cohort` names.

    Raises:
        InputError: no archive, an unreadable or contradictory file, a chosen image without
            geometry, a PatientID that is no file name, or no patient that can be used.
    """
    if stage.params["cohort"]["index"] != NONE:
        stage.input(stage.params["cohort"]["index"])
    series, table = list_tables(stage.params, lambda paths: stage.progress(paths, desc="headers"))
    table = _with_clinical(stage, table)
    excluded = table[table["excluded"] != ""]
    stage.log(f"{len(table)} patients, {len(series)} series, {len(excluded)} excluded")
    if len(excluded) == len(table):
        reason = excluded["excluded"].iloc[0]
        archive = stage.params["cohort"]["archive"]
        raise InputError(f"{archive}: no usable patient ({reason}); check cohort.archive")
    write_csv(stage.output(SERIES), series)
    write_csv(stage.output(PATIENTS), table)


def _with_clinical(stage: "Stage", table: "pd.DataFrame") -> "pd.DataFrame":
    """Add what the clinical workbook knows, where there is one."""
    path = stage.params["cohort"]["clinical"]
    if path == NONE:
        return table
    clinical = read_clinical(stage.input(path)).set_index("patient")
    for name in ("tumour_location", "multifocal"):
        table[name] = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
    clinical["field_strength_t"] = clinical["field_strength_t"].map(tesla_text)
    for name in ("field_strength_t", "position"):
        known = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
        table[name] = table[name].where(table[name] != "", known)
    return table
