"""The ledger of intake: every file of a person's folder is used, or counted by kind and reason.

Of an archive on the network it names the series that are no images, since its other series stand in
series.csv; of the phantom it is empty.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.archives.archive import Archive, Series
from textbcs.imaging.dicom import Header
from textbcs.intake.file_kinds import DICOM, EMPTY, HIDDEN, LINK, SPECIAL, kind_of
from textbcs.intake.folder_walk import FoundFile, every_file, shown
from textbcs.intake.left_out import COLUMNS, UNUSED, USED
from textbcs.intake.series_uids import whole_uid

if TYPE_CHECKING:
    import pandas as pd

# Modalities that are called by more than their code.
_KINDS = {
    "MR": "DICOM image MR",
    "SEG": "DICOM SEG",
    "SR": "DICOM structured report",
    "RTSTRUCT": "DICOM RTSTRUCT",
}
_OTHER = "DICOM other modality"
_REASONS = {
    "RTSTRUCT": "RTSTRUCT: contours are not read; convert them to DICOM SEG or NIfTI",
    "SR": "structured report: holds no image",
}
_STATED = {
    HIDDEN: "hidden or system file",
    EMPTY: "empty file",
}


def ledger(
    archive: Archive, series: Sequence[Series], left_out: Mapping[str, str]
) -> "pd.DataFrame":
    """Account for every file.

    Args:
        archive: as it was listed.
        series: all its series.
        left_out: series UID -> why the series is not used; the others are.

    Returns:
        Columns `COLUMNS`, sorted by file, then series: the file below the archive's folder ("" of a
        series that was not fetched), its kind, its SeriesInstanceUID, `yes` or `no`, and why not.
    """
    import pandas as pd

    folder = archive.own_folder
    if folder is not None:
        rows = _of_files(folder, archive.unused(), series, left_out)
    else:
        others = [one.first for one in series if one.first.modality not in ("MR", "SEG")]
        rows = (_of_series("", [first], left_out) for first in others)
    table = pd.DataFrame(sorted(rows), columns=list(COLUMNS), dtype=str)
    return table


def _of_files(
    folder: Path,
    unused: Iterable[tuple[Path, str]],
    series: Sequence[Series],
    left_out: Mapping[str, str],
) -> Iterator[tuple[str, ...]]:
    """A row for every file of a folder."""
    reasons = dict(unused)
    headers: dict[Path, list[Header]] = {}
    for one in series:
        for header in one.headers or (one.first,):
            headers.setdefault(Path(header.path), []).append(header)
    for found in every_file(folder):
        name, own = shown(found.path, folder), headers.get(found.path)
        if own:
            kind = "" if own[0].sop_uid else kind_of(found, folder)
            yield _of_series(name, own, left_out, kind)
            continue
        kind = kind_of(found, folder)
        yield (name, kind, "", UNUSED, _reason(found, kind, reasons))


def _reason(found: FoundFile, kind: str, reasons: Mapping[Path, str]) -> str:
    """Why a file that belongs to no series is not used."""
    if kind in (LINK, SPECIAL) and found.fault:
        return found.fault
    said = found.fault or reasons.get(found.path, "") or _STATED.get(kind, "")
    if said.startswith("no DICOM file") and kind == DICOM:
        return "a damaged DICOM file, or one without a SOP class"
    return said or "not read from a folder of this kind"


def _of_series(
    name: str, headers: Sequence[Header], left_out: Mapping[str, str], kind: str = ""
) -> tuple[str, ...]:
    """The row of a file of one series, or of several phases of one."""
    first = headers[0]
    kind = kind or _KINDS.get(first.modality, _OTHER)
    missing = [left_out[one.series_uid] for one in headers if one.series_uid in left_out]
    used = len(missing) < len(headers)
    reason = "" if used else _REASONS.get(first.modality, missing[0])
    return name, kind, whole_uid(first.series_uid), USED if used else UNUSED, reason
