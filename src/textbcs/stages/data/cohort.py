"""Stage `cohort`: list an archive, map series to phases, choose one of each, exclude with reasons.

Reads the archive's DICOM headers and the clinical workbook; writes data/cohort/series.csv,
patients.csv and intake.csv. Phases follow from SeriesDescription as the Duke collection spells it, or
as `cohort.descriptions` says, with SeriesNumber where descriptions do not decide. No name or date goes
into a table, of birth the age in whole years alone; the names of files go into intake.csv alone, which is
exported nowhere.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.archives.archive import open_archive
from textbcs.archives.ledger import ledger
from textbcs.base.io import NONE, InputError, write_csv
from textbcs.cohort.clinical import read_clinical
from textbcs.cohort.cohort_tables import INTAKE, PATIENTS, SERIES
from textbcs.cohort.listing import choose_cohort
from textbcs.cohort.unlisted_rows import unlisted_rows
from textbcs.imaging.dicom import tesla_text
from textbcs.intake.counting import most_frequent
from textbcs.intake.left_out import summary

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """List the archive that `params.cohort` names.

    Raises:
        InputError: no archive, a parameter or table that names what is not there, or no patient that
            can be used.
    """
    cohort = stage.params["cohort"]
    for table in (cohort["index"], cohort["series"]):
        if table != NONE:
            stage.input(table)
    archive = open_archive(stage.params)
    series = archive.series(lambda paths: stage.progress(paths, desc="headers"))
    listing = choose_cohort(series, cohort)
    patients, clinical = _with_clinical(stage, listing.patients)
    files = ledger(archive, series, listing.left_out)
    if clinical is not None:
        known = {one.first.patient for one in series}
        files = _joined(files, unlisted_rows(Path(cohort["clinical"]), clinical, known))
    _log(stage, listing.series, patients, files)
    check_anybody(patients, archive.own_folder or cohort["collection"])
    write_csv(stage.output(SERIES), listing.series)
    write_csv(stage.output(PATIENTS), patients)
    write_csv(stage.output(INTAKE), files)


def check_anybody(patients: "pd.DataFrame", archive: Path | str) -> None:
    """Stop where nobody can take part.

    Args:
        patients: column `excluded`, "" of those who can.
        archive: for the message.

    Raises:
        InputError: with the reasons, the most frequent first.
    """
    reasons = Counter(str(reason) for reason in patients["excluded"])
    if not reasons.pop("", 0):
        why = most_frequent(reasons) or "no file that is an image"
        raise InputError(
            f"{archive}: no usable patient ({why}); `textbcs estimate --files` names every file"
        )


def _log(
    stage: "Stage", series: "pd.DataFrame", patients: "pd.DataFrame", files: "pd.DataFrame"
) -> None:
    """Say what was found and what is left out, without a file's name."""
    excluded = Counter(str(reason) for reason in patients["excluded"] if reason)
    stage.log(f"{len(patients)} patients, {len(series)} series, {excluded.total()} excluded")
    if excluded:
        stage.log(f"excluded: {most_frequent(excluded)}")
    for kind, reason, count in summary(files):
        stage.log(f"not used: {count} x {kind}: {reason}")


def _joined(files: "pd.DataFrame", rows: "pd.DataFrame") -> "pd.DataFrame":
    """The ledger of files with rows of a table behind them."""
    import pandas as pd

    return pd.concat([files, rows], ignore_index=True) if len(rows) else files


def _with_clinical(
    stage: "Stage", table: "pd.DataFrame"
) -> tuple["pd.DataFrame", "pd.DataFrame | None"]:
    """Add what the clinical workbook knows, where there is one; the workbook's own rows as well."""
    path = stage.params["cohort"]["clinical"]
    if path == NONE:
        return table, None
    rows = read_clinical(stage.input(path))
    clinical = rows.set_index("patient")
    for name in ("tumour_location", "multifocal", "age_years", "menopause", "density"):
        table[name] = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
    clinical["field_strength_t"] = clinical["field_strength_t"].map(tesla_text)
    for name in ("field_strength_t", "position"):
        known = clinical[name].reindex(table["patient"]).fillna("").to_numpy()
        table[name] = table[name].where(table[name] != "", known)
    return table, rows
