"""`textbcs estimate`: what a download would bring, before anything is fetched.

Lists the archive as the stage `cohort` does and selects as the stage `download` does.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.incoming import RAW
from textbcs.base.io import NONE
from textbcs.cohort.cohort_tables import select
from textbcs.cohort.listing import list_tables

if TYPE_CHECKING:
    import pandas as pd


def estimate(params: Mapping[str, Any]) -> list[str]:
    """Patients, series, gigabytes (10^9 bytes), licence and DOI, as lines of text.

    Args:
        params: all sections.

    Raises:
        InputError: the archive cannot be listed.
    """
    cohort = params["cohort"]
    series, patients = list_tables(params, lambda paths: paths)
    chosen = select(series, patients, cohort, params["masks"])
    index = cohort["index_version"] if cohort["index"] == NONE else cohort["index"]
    name = " ".join(part for part in (cohort["kind"], cohort["collection"], index) if part)
    lines = [
        f"archive   {cohort['archive']} ({name})",
        f"listed    {_amount(series)}",
    ]
    lines += [
        f"excluded  {count} of {len(patients)} patients: {why}" for why, count in _reasons(patients)
    ]
    lines.append(f"to fetch  {_amount(chosen)}")
    for (phase, licence, doi), rows in chosen.groupby(["phase", "licence", "doi"], sort=True):
        lines.append(f"  {phase:<6}  {_amount(rows)}, licence {licence}, DOI {doi or '-'}")
    lines.append(f"free      {_free(RAW) / 1e9:.1f} GB where {RAW} lies")
    return lines


def _amount(series: "pd.DataFrame") -> str:
    size = series["bytes"].sum() / 1e9
    return f"{series['patient'].nunique()} patients, {len(series)} series, {size:.1f} GB"


def _reasons(patients: "pd.DataFrame") -> list[tuple[str, int]]:
    counts = patients.loc[patients["excluded"] != "", "excluded"].value_counts()
    return sorted((str(reason), int(count)) for reason, count in counts.items())


def _free(folder: Path) -> int:
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free
