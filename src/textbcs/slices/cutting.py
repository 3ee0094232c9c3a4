"""A patient's volume cut into slices, and which of them are left out and why."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.archives.incoming import RAW
from textbcs.archives.raw_files import restore
from textbcs.base.io import InputError
from textbcs.imaging.dicom import Grid, Stack
from textbcs.imaging.geometry import minimum_pixels, spacing
from textbcs.imaging.nifti import read_mask
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.volumes import read_series
from textbcs.intake.series_uids import part_number
from textbcs.slices.laterality import BOTH, PATIENT, lesion_side, middle
from textbcs.slices.resize import SquareGrid, clip_to_unit

if TYPE_CHECKING:
    import pandas as pd


UNSELECTED = "not drawn by slices.selection"


@dataclass(frozen=True)
class Patient:
    """One patient's image and mask on one LPS grid.

    Attributes:
        name: identifier.
        series_uid: the series that gives grid and SOP instances.
        grid: that series' grid.
        intensity: (z, y, x) float32, one phase or the subtraction.
        mask: (z, y, x) uint8.
        mask_source: where the mask comes from.
    """

    name: str
    series_uid: str
    grid: Grid
    intensity: NDArray[np.float32]
    mask: NDArray[np.uint8]
    mask_source: str


@dataclass(frozen=True)
class Task:
    """A patient who is to be cut, small enough to travel to another process.

    Attributes:
        patient: identifier.
        files: rows of files.csv of the series that is shown, then of one to subtract if any.
        mask: her mask's file.
        mask_source: where the mask comes from.
        is_test: whether tumour-free slices and native masks are wanted.
        params: sections `slices`, `cohort` and what `restore` needs.
    """

    patient: str
    files: "tuple[pd.DataFrame, ...]"
    mask: Path
    mask_source: str
    is_test: bool
    params: Mapping[str, Any]


@dataclass
class Cut:
    """Slices in the making: rows and arrays in step, and what was left out."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.float16]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    native_masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    excluded: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Cut") -> None:
        """Append another patient's slices."""
        self.rows += other.rows
        self.images += other.images
        self.masks += other.masks
        self.native_masks |= other.native_masks
        self.excluded += other.excluded


def cut_task(task: Task) -> Cut:
    """Read a patient and cut her; a missing raw file is restored first.

    Raises:
        InputError: a file is missing, unreadable or not what was recorded, or grids differ.
    """
    shown, *subtracted = (_read(files, task.params) for files in task.files)
    patient = Patient(
        task.patient,
        str(task.files[0]["series_uid"].iloc[0]),
        shown.grid,
        _intensity(shown, subtracted[0] if subtracted else None, task.patient),
        read_mask(task.mask, shown.grid),
        task.mask_source,
    )
    cut = Cut()
    cut_patient(patient, task.params["slices"], task.is_test, cut, task.params["cohort"]["sides"])
    return cut


def _read(files: "pd.DataFrame", params: Mapping[str, Any]) -> Stack:
    restore(files, params)
    paths = [RAW / path for path in files["path"]]
    tolerance = params["cohort"]["spacing_tolerance"]
    uid = str(files["series_uid"].iloc[0])
    try:
        return read_series(paths, tolerance, files["sha256"].tolist(), part_number(uid))
    except SeriesError as error:
        raise InputError(
            f"series {uid}: {error}; exclude its patient (cohort.exclude), or choose another series"
        ) from error


def _intensity(stack: Stack, pre: Stack | None, name: str) -> NDArray[np.float32]:
    """The image that is shown to the networks: a phase, less the pre-contrast one where there is one.

    Both are float32 before they are subtracted: stored values are often unsigned and would wrap.
    """
    values = np.asarray(stack.volume.array, np.float32)
    if pre is None:
        return values
    same = pre.grid.shape == stack.grid.shape
    if not same or not np.allclose(pre.grid.affine, stack.grid.affine, atol=1e-3):
        raise InputError(
            f"patient {name}: pre and post1 lie on different grids; use slices.phase = post1 or name "
            "the other patients in cohort.patients"
        )
    return values - np.asarray(pre.volume.array, np.float32)


def cut_patient(
    patient: Patient,
    options: Mapping[str, Any],
    is_test: bool,
    cut: Cut,
    sides: str = PATIENT,
) -> None:
    """Cut one patient and append to `cut`.

    `options` are the parameters of `slices`, `sides` is `cohort.sides`; with `is_test` tumour-free slices are
    cut too and native masks kept.
    """
    volume = clip_to_unit(patient.intensity, options["clip_percentiles"])
    step = spacing(patient.grid.affine)
    rows, cols = volume.shape[1:]
    grid = SquareGrid((rows, cols), (float(step[1]), float(step[0])), options["size"])
    midline = grid.column(middle(volume, sides))
    chosen: dict[int, tuple[str, str]] = {}
    with_lesion = [int(z) for z in np.flatnonzero(patient.mask.any(axis=(1, 2)))]
    for z in with_lesion:
        side, reason = "", _fault(patient.intensity[z], patient.mask[z])
        if not reason:
            own = grid.mask(patient.mask[z])
            side, reason = _judge(own, midline, grid.spacing, options, sides)
        if reason:
            cut.excluded.append(_left_out(patient, z, reason))
        else:
            chosen[z] = ("tumour", side)
    used = set(_selected(sorted(chosen), options))
    cut.excluded += [_left_out(patient, z, UNSELECTED) for z in sorted(set(chosen) - used)]
    chosen = {z: chosen[z] for z in sorted(used)}
    if is_test and chosen:
        free = _tumour_free(patient.name, len(volume), with_lesion, options)
        free = [z for z in free if not _fault(patient.intensity[z], patient.mask[z])]
        chosen |= dict.fromkeys(free, ("negative", ""))
    for z, (kind, side) in sorted(chosen.items()):
        row = _row(patient, z, kind, side, grid, midline)
        cut.rows.append(row)
        cut.images.append(grid.image(volume[z]).astype(np.float16))
        cut.masks.append(grid.mask(patient.mask[z]))
        if is_test:
            cut.native_masks[row["slice_id"]] = patient.mask[z] > 0


def _left_out(patient: Patient, z: int, reason: str) -> dict[str, Any]:
    sop_uid = patient.grid.sop_uids[z]
    return {"patient": patient.name, "sop_uid": sop_uid, "z_index": z, "reason": reason}


def _fault(image: NDArray[np.float32], mask: NDArray[np.uint8]) -> str:
    """Why a slice as it was read can be no image with a lesion, "" if it can."""
    if image.min() == image.max():
        return "the image is the same everywhere"
    return "the mask covers the whole slice" if mask.all() else ""


def _judge(
    mask: NDArray[np.uint8],
    midline_column: float,
    spacing_mm: float,
    options: Mapping[str, Any],
    sides: str,
) -> tuple[str, str]:
    """Side of a tumour slice on the resized grid, or the reason to leave it out."""
    square = (spacing_mm, spacing_mm)
    if np.count_nonzero(mask) < minimum_pixels(options["minimum_lesion_mm2"], square):
        return "", "lesion smaller than slices.minimum_lesion_mm2"
    least = minimum_pixels(options["minimum_component_mm2"], square)
    side = lesion_side(mask, midline_column, least, sides)
    if side is None:
        return "", "no component reaches slices.minimum_component_mm2"
    if side == BOTH:
        return "", "lesions in both breasts"
    return side, ""


def _selected(indices: list[int], options: Mapping[str, Any]) -> list[int]:
    """Which of a patient's tumour slices are used (`slices.selection`)."""
    if options["selection"] == "stride":
        return indices[:: options["stride"]]
    if options["selection"] == "max" and len(indices) > options["max_per_patient"]:
        places = np.linspace(0, len(indices) - 1, options["max_per_patient"])
        return [indices[round(float(place))] for place in places]
    return indices


def _tumour_free(
    patient: str, depth: int, with_lesion: list[int], options: Mapping[str, Any]
) -> list[int]:
    """A fixed random sample of slices that hold no lesion and touch none.

    Neighbours of lesion slices are left out: partial volume makes them neither tumour nor free of it.
    """
    near = {z + step for z in with_lesion for step in (-1, 0, 1)}
    free = [z for z in range(depth) if z not in near]
    count = min(options["negatives_per_patient"], len(free))
    generator = np.random.default_rng([options["seed"], zlib.crc32(patient.encode())])
    return sorted(int(z) for z in generator.choice(free, count, replace=False)) if count else []


def _row(
    patient: Patient, z: int, kind: str, side: str, grid: SquareGrid, midline_col: float
) -> dict[str, Any]:
    """A slice's row of slices.csv."""
    return {
        "slice_id": f"{patient.name}-z{z:03d}",
        "patient": patient.name,
        "series_uid": patient.series_uid,
        "sop_uid": patient.grid.sop_uids[z],
        "instance_number": patient.grid.instance_numbers[z],
        "z_index": z,
        "kind": kind,
        "side": side,
        "midline_col": midline_col,
        "mask_source": patient.mask_source,
        "spacing_row_mm": grid.spacing,
        "spacing_col_mm": grid.spacing,
        "native_rows": grid.native_shape[0],
        "native_cols": grid.native_shape[1],
        "native_spacing_row_mm": grid.native_spacing[0],
        "native_spacing_col_mm": grid.native_spacing[1],
    }
