"""Stage `masks`: carry each patient's tumour mask onto the LPS grid of her first post phase.

Reads data/cohort/{series,patients,files}.csv and raw DICOM headers and SEG objects; writes
data/masks/<patient>.nii.gz and data/masks/masks.csv. Nearest neighbour by geometry; where a mask
comes from is a column.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from textbcs.cohort.dicom import Grid, read_grid
from textbcs.cohort.download import (
    FILES,
    PATIENTS,
    RAW,
    SERIES,
    read_files,
    read_patients,
    read_series_table,
    restore,
)
from textbcs.cohort.nifti import nifti_bytes
from textbcs.cohort.planes import SeriesError
from textbcs.cohort.segmentation import Segmentation, read_segmentation
from textbcs.geometry import Affine, resample_nearest, voxel_volume
from textbcs.io import InputError, write_bytes, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

FOLDER = Path("data/masks")
COLUMNS = (
    "patient",
    "source",
    "series_uid",
    "seg_series_uid",
    "lesions",
    "voxels",
    "volume_mm3",
    "reason",
)
_PHASE = "post1"


class MisfitError(Exception):
    """A mask that does not fit its series, and why."""


@dataclass(frozen=True)
class Candidate:
    """A segmentation series that a source of `masks.sources` describes."""

    source: str
    segment: str
    series_uid: str


def make_masks(stage: "Stage") -> None:
    """Write the mask of every patient that the cohort does not exclude.

    Raises:
        InputError: a file is unreadable, or a mask does not fit its series while `masks.misfit`
            is `stop`.
    """
    import pandas as pd

    series = read_series_table(stage.input(SERIES))
    patients = read_patients(stage.input(PATIENTS))
    files = read_files(stage.input(FILES))
    restore(files, stage.params)
    rows, blobs = [], {}
    eligible = list(patients.loc[patients["excluded"] == "", "patient"])
    for patient in stage.progress(eligible, desc="masks"):
        own = series[series["patient"] == patient]
        row, mask, affine = patient_mask(
            patient, own, files[files["patient"] == patient], stage.params
        )
        if mask is not None and affine is not None:
            blobs[patient] = nifti_bytes(mask, affine)  # a mask compresses to some kilobytes
        rows.append(row)
    # Written together, so that a mask that stops the stage leaves nothing behind.
    for patient, blob in blobs.items():
        write_bytes(stage.output(FOLDER / f"{patient}.nii.gz"), blob)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    without = int((table["reason"] != "").sum())
    stage.log(f"{len(table) - without} masks, {without} patients without one")
    write_csv(stage.output(FOLDER / "masks.csv"), table)


def patient_mask(
    patient: str, series: "pd.DataFrame", files: "pd.DataFrame", params: Mapping[str, Any]
) -> tuple[list[Any], NDArray[np.uint8] | None, Affine | None]:
    """A patient's row of masks.csv, her mask (z, y, x) on the LPS grid of post1, its LPS affine."""
    tolerance = float(params["cohort"]["spacing_tolerance"])
    images = series.loc[series["phase"] == _PHASE, "series_uid"]
    series_uid = str(images.iloc[0])
    found = candidates(series, params["masks"]["sources"])
    if not found:
        return [patient, "", series_uid, "", 0, 0, 0.0, "no mask in the archive"], None, None
    chosen = found[0]
    row = [patient, chosen.source, series_uid, chosen.series_uid]
    try:
        grid = read_grid(_paths(files, series_uid), tolerance)
        path = _paths(files, chosen.series_uid)[0]
        segmentation = read_segmentation(path, chosen.segment)
        known = set(series.loc[series["modality"] == "MR", "series_uid"])
        mask = fit(segmentation, grid, known, float(params["masks"]["max_outside"]))
    except SeriesError as error:
        return [*row, 0, 0, 0.0, str(error)], None, None
    except MisfitError as error:
        if params["masks"]["misfit"] == "stop":
            raise InputError(
                f"{path}: {error}; correct the mask, or set masks.misfit to exclude"
            ) from error
        return [*row, 0, 0, 0.0, str(error)], None, None
    voxels = int(mask.sum())
    if not voxels:
        return [*row, 0, 0, 0.0, "the mask is empty"], None, None
    lesions = int(label(mask, np.ones((3, 3, 3)))[1])
    volume = round(voxels * voxel_volume(grid.affine), 3)
    return [*row, lesions, voxels, volume, ""], mask, grid.affine


def candidates(series: "pd.DataFrame", sources: list[Mapping[str, Any]]) -> list[Candidate]:
    """A patient's segmentation series by the order of the sources, then of the table."""
    found = []
    segmentations = series[series["phase"] == "mask"]
    for source in sources:
        pattern = re.compile(source["description"])
        for uid, description in zip(
            segmentations["series_uid"], segmentations["description"], strict=True
        ):
            if pattern.search(str(description)):
                found.append(Candidate(source["source"], source["segment"], str(uid)))
    return found


def fit(
    segmentation: Segmentation, grid: Grid, known_series: set[str], max_outside: float
) -> NDArray[np.uint8]:
    """Carry a segmentation onto a grid.

    Args:
        segmentation: what was read.
        grid: the LPS grid of the image series.
        known_series: UIDs of the patient's image series; the object must refer to one of them.
        max_outside: share of the mask that may lie outside the grid.

    Raises:
        MisfitError: wrong reference, another coordinate system, or outside of the grid.
    """
    if not known_series.intersection(segmentation.referenced_series):
        raise MisfitError("the mask refers to no series of this patient")
    frames = (segmentation.frame_of_reference, grid.frame_of_reference)
    if all(frames) and frames[0] != frames[1]:
        raise MisfitError("the mask has another frame of reference than its series")
    if segmentation.volume is None or not segmentation.volume.array.any():
        return np.zeros(grid.shape, np.uint8)
    source = segmentation.volume
    mask = resample_nearest(source, grid.affine, grid.shape).astype(np.uint8)
    there = float(source.array.sum()) * voxel_volume(source.affine)
    inside = _inside(source.array, source.affine, grid)
    if inside == 0 or not mask.any():
        raise MisfitError("the mask does not overlap its series")
    if 1 - inside > max_outside:
        raise MisfitError(f"{1 - inside:.0%} of the mask ({there:.0f} mm³) lies outside its series")
    return mask


def _inside(array: NDArray[np.generic], affine: Affine, grid: Grid) -> float:
    """Share of a mask's voxels whose centre lies within the grid."""
    z, y, x = np.nonzero(array)
    mapping = np.linalg.inv(grid.affine) @ affine
    index = np.stack([x, y, z], axis=1) @ mapping[:3, :3].T + mapping[:3, 3]
    size = np.asarray(grid.shape[::-1])
    return float(((index > -0.5) & (index < size - 0.5)).all(axis=1).mean())


def _paths(files: "pd.DataFrame", series_uid: str) -> list[Path]:
    own = files[files["series_uid"] == series_uid]
    if own.empty:
        raise InputError(f"{FILES}: lists no file of series {series_uid}; run the download again")
    return [RAW / path for path in own["path"]]
