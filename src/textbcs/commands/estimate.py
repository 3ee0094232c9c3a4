"""`textbcs estimate`: what lies in an archive, what of it would be used, and what would be left out.

Lists the archive as the stage `cohort` does and selects as the stage `download` does; writes nothing.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import open_archive
from textbcs.archives.incoming import RAW
from textbcs.archives.ledger import ledger
from textbcs.base.io import NONE, records
from textbcs.cohort.cohort_tables import select
from textbcs.cohort.listing import choose_cohort
from textbcs.intake.left_out import UNUSED, summary

if TYPE_CHECKING:
    import pandas as pd


def estimate(params: Mapping[str, Any], files: bool = False) -> list[str]:
    """Files, patients, series, gigabytes (10^9 bytes), licence and DOI, as lines of text.

    Args:
        params: all sections.
        files: name every file that is not used as well, with its reason.

    Raises:
        InputError: the archive cannot be listed.
    """
    cohort = params["cohort"]
    archive = open_archive(params)
    found = archive.series(lambda paths: paths)
    listing = choose_cohort(found, cohort)
    intake = ledger(archive, found, listing.left_out)
    series, patients = listing.series, listing.patients
    chosen = select(series, patients, cohort, params["masks"])
    index = cohort["index_version"] if cohort["index"] == NONE else cohort["index"]
    name = " ".join(part for part in (cohort["kind"], cohort["collection"], index) if part)
    place = cohort["archive"] if cohort["archive"] != NONE else cohort["address"]
    lines = [f"archive   {place} ({name})" if place else f"archive   {name}"]
    lines += _files(intake)
    lines.append(f"listed    {_amount(series)}")
    lines += [
        f"excluded  {count} of {len(patients)} patients: {why}" for why, count in _reasons(patients)
    ]
    lines.append(f"to fetch  {_amount(chosen)}")
    for (phase, licence, doi), rows in chosen.groupby(["phase", "licence", "doi"], sort=True):
        lines.append(f"  {phase:<6}  {_amount(rows)}, licence {licence}, DOI {doi or '-'}")
    lines.append(f"free      {_free(RAW) / 1e9:.1f} GB where {RAW} lies")
    return [*lines, *_named(intake)] if files else lines


def _files(intake: "pd.DataFrame") -> Iterator[str]:
    """How many files are used, and how many of which kind are not, and why."""
    if intake.empty:
        return
    unused = int((intake["used"] == UNUSED).sum())
    yield f"files     {len(intake)} found, {len(intake) - unused} used, {unused} left out"
    for kind, reason, count in summary(intake):
        yield f"left out  {count} x {kind}: {reason}"


def _named(intake: "pd.DataFrame") -> Iterator[str]:
    """Every file, or series of the network, that is not used."""
    for row in records(intake[intake["used"] == UNUSED]):
        yield f"not used  {row['file'] or row['series_uid']}: {row['kind']}: {row['reason']}"


def _amount(series: "pd.DataFrame") -> str:
    size = series["bytes"].sum() / 1e9
    return f"{series['patient'].nunique()} patients, {len(series)} series, {size:.1f} GB"


def _reasons(patients: "pd.DataFrame") -> list[tuple[str, int]]:
    """Why patients are excluded, the most frequent reason first."""
    counts = Counter(str(reason) for reason in patients["excluded"] if reason)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _free(folder: Path) -> int:
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free
