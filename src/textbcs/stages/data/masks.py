"""Stage `masks`: carry each patient's tumour mask onto the LPS grid of her first post phase.

Reads data/cohort/{series,patients,files}.csv, raw DICOM, the annotation boxes and, where a source says
so, NIfTI masks; writes data/masks/<patient>.nii.gz, masks.csv, boxes.csv and, where masks lie in a
folder, unused.csv. Nearest neighbour by geometry; where a mask comes from is a column.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from textbcs.archives.incoming import RAW
from textbcs.archives.raw_files import restore
from textbcs.base.io import NONE, InputError, write_bytes, write_csv
from textbcs.cohort.cohort_tables import (
    FILES,
    PATIENTS,
    SERIES,
    read_files,
    read_patients,
    read_series_table,
)
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import voxel_volume
from textbcs.imaging.nifti import nifti_bytes
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_grid
from textbcs.intake.series_uids import part_number
from textbcs.intake.spelling import unknown_names
from textbcs.masks.boxes import ABSENT, Box, BoxError, Place, box_rows, locate, read_boxes
from textbcs.masks.fitting import MisfitError
from textbcs.masks.sources import Found, Source, Subject, only, open_sources
from textbcs.masks.unused_files import name_hints, summary, unused_files

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

FOLDER = Path("data/masks")
COLUMNS = (
    "patient",
    "source",
    "series_uid",
    "origin",
    "lesions",
    "slices",
    "voxels",
    "volume_mm3",
    "reason",
)
_PHASE = "post1"


class _UnusableError(Exception):
    """A mask that cannot be used: where it lies, and why."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__(str(error))
        self.where = where
        self.stops = isinstance(error, MisfitError)


def run(stage: "Stage") -> None:
    """Write the mask of every patient that the cohort does not exclude, and where her box lies.

    Raises:
        InputError: nobody has a mask; or a mask is unreadable or does not fit its series while
            `masks.misfit` is `stop`; or a raw file is not what was recorded.
    """
    import pandas as pd

    path, base = stage.params["cohort"]["boxes"], stage.params["cohort"]["box_base"]
    boxes, faults = read_boxes(stage.input(path), base) if path != NONE else ({}, [])
    stops = stage.params["masks"]["misfit"] == "stop"
    series = read_series_table(stage.input(SERIES))
    patients = read_patients(stage.input(PATIENTS))
    sources = open_sources(stage, series, patients["patient"])
    rows: list[list[Any]] = []
    used: set[str] = set()
    blobs: dict[str, bytes] = {}
    places: dict[str, Place | str] = {}
    for patient, uid, subject in _subjects(stage, series, patients, boxes):
        if isinstance(subject, str):
            rows.append([patient, "", uid, "", 0, 0, 0, 0.0, subject])
            continue
        places[patient] = subject.place
        row, mask, taken = patient_mask(subject, sources, stops)
        used.update(taken)
        rows.append([patient, row[0], uid, *row[1:]])
        if mask is not None:
            blobs[patient] = nifti_bytes(mask, subject.grid.affine)  # some kilobytes
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    hints = name_hints(sources, list(table["patient"]))
    if len(table) and not blobs:
        raise InputError(_nobody(table, hints))
    # Written together, so that a mask that stops the stage leaves nothing behind.
    for patient, blob in blobs.items():
        write_bytes(stage.output(FOLDER / f"{patient}.nii.gz"), blob)
    for line in (f"{len(blobs)} masks, {len(table) - len(blobs)} patients without one", *hints):
        stage.log(line)
    write_csv(stage.output(FOLDER / "masks.csv"), table)
    located = box_rows(boxes, faults, places)
    if path != NONE:
        _log_boxes(stage, located, patients["patient"])
    write_csv(stage.output(FOLDER / "boxes.csv"), located)
    if stage.params["masks"]["nifti_directory"] != NONE:
        _write_unused(stage, sources, patients, table, used)


def _subjects(
    stage: "Stage", series: "pd.DataFrame", patients: "pd.DataFrame", boxes: Mapping[str, Box]
) -> Iterator[tuple[str, str, Subject | str]]:
    """Every patient that the cohort does not exclude, the UID of her first post-contrast series, and
    herself or why that series is no volume."""
    files = read_files(stage.input(FILES))
    restore(files, stage.params)
    tolerance = float(stage.params["cohort"]["spacing_tolerance"])
    eligible = list(patients.loc[patients["excluded"] == "", "patient"])
    for patient in stage.progress(eligible, desc="masks"):
        own, own_files = series[series["patient"] == patient], files[files["patient"] == patient]
        uid = str(own.loc[own["phase"] == _PHASE, "series_uid"].iloc[0])
        try:
            grid = _grid(own_files, uid, tolerance)
        except SeriesError as error:
            yield patient, uid, str(error)
            continue
        yield patient, uid, Subject(patient, own, own_files, grid, _place(boxes.get(patient), grid))


def patient_mask(
    subject: Subject, sources: Sequence[Source], stops: bool
) -> tuple[list[Any], NDArray[np.uint8] | None, list[str]]:
    """A patient's source, origin, lesions, slices, voxels, volume and reason; her mask (z, y, x); and
    the files that it was read from, or could not be."""
    for source in sources:
        found = list(source.find(subject))
        if not found:
            continue
        origin = "; ".join(dict.fromkeys(one.origin for one in found))
        try:
            parts, mask = _read(subject, found, source.several)
        except _UnusableError as error:
            if stops and error.stops:
                raise InputError(
                    f"{error.where}: {error}; correct the mask, or set masks.misfit to exclude"
                ) from error
            row = [found[0].source, origin, 0, 0, 0, 0.0, str(error)]
            return row, None, [one.where for one in found]
        origin = "; ".join(dict.fromkeys(one.origin for one in parts))
        row = _measured(found[0].source, origin, mask, subject.grid)
        return row, None if row[-1] else mask, [one.where for one in parts]
    missing = "; ".join(dict.fromkeys(source.missing(subject) for source in sources))
    return ["", "", 0, 0, 0, 0.0, f"no source has a mask: {missing}"], None, []


def _read(
    subject: Subject, found: Sequence[Found], several: str
) -> tuple[list[Found], NDArray[np.uint8]]:
    """The masks of one source that make a patient's, and their union."""
    try:
        parts = only(found, several)
    except MisfitError as error:
        names = ", ".join(one.where for one in found[:3]) + ", ..." * (len(found) > 3)
        raise _UnusableError(f"patient {subject.patient} ({names})", error) from error
    masks = []
    for one in parts:
        try:
            masks.append(one.read())
        except (SeriesError, MisfitError) as error:
            raise _UnusableError(one.where, error) from error
    return parts, np.maximum.reduce(masks) if len(masks) > 1 else masks[0]


def _nobody(table: "pd.DataFrame", hints: Sequence[str]) -> str:
    """That no patient has a mask, with the commonest reasons."""
    counts = table["reason"].value_counts()
    said = "; ".join(f"{count} of {len(table)}: {why}" for why, count in counts.head(3).items())
    return "; ".join([f"masks.sources: no patient has a mask ({said})", *hints])


def _write_unused(
    stage: "Stage",
    sources: Sequence[Source],
    patients: "pd.DataFrame",
    table: "pd.DataFrame",
    used: set[str],
) -> None:
    """List every file of `masks.nifti_directory` that is no patient's mask, and say how many."""
    folder = Path(stage.params["masks"]["nifti_directory"])
    excluded = patients[patients["excluded"] != ""]
    whose = {
        str(row.patient): f"the patient is excluded: {row.excluded}"
        for row in excluded.itertuples()
    }
    whose |= {str(row.patient): str(row.reason) for row in table.itertuples() if row.reason}
    unused = unused_files(folder, [one.files for one in sources if one.files], used, whose)
    write_csv(stage.output(FOLDER / "unused.csv"), unused)
    for line in summary(unused):
        stage.log(f"{folder}: {line} (data/masks/unused.csv)")


def _measured(source: str, origin: str, mask: NDArray[np.uint8], grid: Grid) -> list[Any]:
    """The row of a mask that was read: lesions, slices, voxels, volume, or that it is empty."""
    voxels = int(mask.sum())
    if not voxels:
        return [source, origin, 0, 0, 0, 0.0, "the mask is empty"]
    lesions = int(label(mask, np.ones((3, 3, 3)))[1])
    volume = round(voxels * voxel_volume(grid.affine), 3)
    slices = int(mask.any(axis=(1, 2)).sum())
    return [source, origin, lesions, slices, voxels, volume, ""]


def _grid(files: "pd.DataFrame", series_uid: str, tolerance: float) -> Grid:
    """The grid of a series from its headers."""
    own = files[files["series_uid"] == series_uid]
    if own.empty:
        raise InputError(f"{FILES}: lists no file of series {series_uid}; run the download again")
    paths = [RAW / path for path in own["path"]]
    return read_grid(paths, tolerance, part_number(series_uid))


def _place(box: Box | None, grid: Grid) -> Place | str:
    """Where a box lies, or why it lies nowhere."""
    if box is None:
        return "no line"
    if not grid.numbered:
        return "InstanceNumber does not order the slices"
    try:
        return locate(box, grid.planes, grid.instance_numbers, grid.affine, grid.shape)
    except BoxError as error:
        return str(error)


def _log_boxes(stage: "Stage", located: "pd.DataFrame", patients: Iterable[str]) -> None:
    """Say how many boxes there are, and name every line that is wrong in itself or misspelt."""
    lines = located[located["line"].notna()]
    usable = int((lines["reason"] == "").sum())
    stage.log(
        f"{len(lines)} boxes of {lines['patient'].nunique()} patients, {usable} located; "
        f"{int(located['line'].isna().sum())} patients without one"
    )
    path = stage.params["cohort"]["boxes"]
    for row in lines[~lines["reason"].isin(["", ABSENT])].itertuples():
        stage.log(f"{path} line {row.line} ({row.patient}): {row.reason}")
    boxless = sorted(set(patients) - set(lines["patient"]))
    strangers = lines.loc[~lines["patient"].isin(set(patients)), "patient"]
    for words in unknown_names(strangers, boxless).values() if boxless else ():
        if ";" in words:  # else they are patients who do not take part
            stage.log(f"{path}: {words}")
