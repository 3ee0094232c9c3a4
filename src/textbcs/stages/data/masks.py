"""Stage `masks`: carry each patient's tumour mask onto the LPS grid of her first post phase.

Reads data/cohort/{series,patients,files}.csv, raw DICOM, the annotation boxes and, where a source says
so, NIfTI masks; writes data/masks/<patient>.nii.gz, masks.csv and boxes.csv. Nearest neighbour by
geometry; where a mask comes from is a column.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from textbcs.imaging.volumes import read_grid
from textbcs.masks.boxes import ABSENT, Box, BoxError, Place, box_rows, locate, read_boxes
from textbcs.masks.fitting import MisfitError
from textbcs.masks.sources import Finder, Found, Subject, finders

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


def run(stage: "Stage") -> None:
    """Write the mask of every patient that the cohort does not exclude, and where her box lies.

    Raises:
        InputError: a file is unreadable, or a mask does not fit its series while `masks.misfit`
            is `stop`.
    """
    import pandas as pd

    path = stage.params["cohort"]["boxes"]
    base = stage.params["cohort"]["box_base"]
    boxes, faults = read_boxes(stage.input(path), base) if path != NONE else ({}, [])
    stops = stage.params["masks"]["misfit"] == "stop"
    sources = finders(stage)
    rows: list[list[Any]] = []
    blobs: dict[str, bytes] = {}
    places: dict[str, Place | str] = {}
    for patient, uid, subject in _subjects(stage, boxes):
        if isinstance(subject, str):
            rows.append([patient, "", uid, "", 0, 0, 0, 0.0, subject])
            continue
        places[patient] = subject.place
        row, mask = patient_mask(subject, sources, stops)
        rows.append([patient, row[0], uid, *row[1:]])
        if mask is not None:
            blobs[patient] = nifti_bytes(mask, subject.grid.affine)  # some kilobytes
    # Written together, so that a mask that stops the stage leaves nothing behind.
    for patient, blob in blobs.items():
        write_bytes(stage.output(FOLDER / f"{patient}.nii.gz"), blob)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    without = int((table["reason"] != "").sum())
    stage.log(f"{len(table) - without} masks, {without} patients without one")
    write_csv(stage.output(FOLDER / "masks.csv"), table)
    located = box_rows(boxes, faults, places)
    if path != NONE:
        _log_boxes(stage, located)
    write_csv(stage.output(FOLDER / "boxes.csv"), located)


def _subjects(stage: "Stage", boxes: Mapping[str, Box]) -> Iterator[tuple[str, str, Subject | str]]:
    """Every patient that the cohort does not exclude, the UID of her first post-contrast series, and
    herself or why that series is no volume."""
    series = read_series_table(stage.input(SERIES))
    patients = read_patients(stage.input(PATIENTS))
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
    subject: Subject, sources: Sequence[Finder], stops: bool
) -> tuple[list[Any], NDArray[np.uint8] | None]:
    """A patient's source, origin, lesions, slices, voxels, volume and reason, and her mask (z, y, x)."""
    found = next((mask for find in sources for mask in find(subject)), None)
    if found is None:
        return ["", "", 0, 0, 0, 0.0, "no source has a mask"], None
    try:
        mask = found.read()
    except (SeriesError, MisfitError) as error:
        if stops and isinstance(error, MisfitError):
            raise InputError(
                f"{found.where}: {error}; correct the mask, or set masks.misfit to exclude"
            ) from error
        return [found.source, found.origin, 0, 0, 0, 0.0, str(error)], None
    return _measured(found, mask, subject.grid)


def _measured(
    found: Found, mask: NDArray[np.uint8], grid: Grid
) -> tuple[list[Any], NDArray[np.uint8] | None]:
    """The row of a mask that was read: lesions, slices, voxels, volume, or that it is empty."""
    voxels = int(mask.sum())
    if not voxels:
        return [found.source, found.origin, 0, 0, 0, 0.0, "the mask is empty"], None
    lesions = int(label(mask, np.ones((3, 3, 3)))[1])
    volume = round(voxels * voxel_volume(grid.affine), 3)
    slices = int(mask.any(axis=(1, 2)).sum())
    return [found.source, found.origin, lesions, slices, voxels, volume, ""], mask


def _grid(files: "pd.DataFrame", series_uid: str, tolerance: float) -> Grid:
    """The grid of a series from its headers."""
    own = files[files["series_uid"] == series_uid]
    if own.empty:
        raise InputError(f"{FILES}: lists no file of series {series_uid}; run the download again")
    return read_grid([RAW / path for path in own["path"]], tolerance)


def _place(box: Box | None, grid: Grid) -> Place | str:
    """Where a box lies, or why it lies nowhere."""
    if box is None:
        return "no line"
    try:
        return locate(box, grid.planes, grid.instance_numbers, grid.affine, grid.shape)
    except BoxError as error:
        return str(error)


def _log_boxes(stage: "Stage", located: "pd.DataFrame") -> None:
    """Say how many boxes there are, and name every line that is wrong in itself."""
    lines = located[located["line"].notna()]
    usable = int((lines["reason"] == "").sum())
    stage.log(
        f"{len(lines)} boxes of {lines['patient'].nunique()} patients, {usable} located; "
        f"{int(located['line'].isna().sum())} patients without one"
    )
    for row in lines[~lines["reason"].isin(["", ABSENT])].itertuples():
        stage.log(
            f"{stage.params['cohort']['boxes']} line {row.line} ({row.patient}): {row.reason}"
        )
