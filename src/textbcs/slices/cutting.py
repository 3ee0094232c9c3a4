"""A patient's volume cut into slices, and which of them are left out and why."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.slice_store import slice_name
from textbcs.imaging.geometry import minimum_pixels
from textbcs.slices.laterality import BOTH, PATIENT, lesion_side
from textbcs.slices.patient_volumes import Patient, RecordedPatient, SquarePatient, read_patient
from textbcs.slices.resize import SquareGrid

UNSELECTED = "not drawn by slices.selection"


@dataclass(frozen=True)
class Task:
    """A patient who is to be cut, small enough to travel to another process.

    Attributes:
        source: her files.
        is_test: whether native masks are wanted.
        negatives: how many tumour-free slices are wanted.
    """

    source: RecordedPatient
    is_test: bool
    negatives: int


@dataclass
class Cut:
    """Slices in the making: rows and arrays in step, what was left out, and the patients' lesions."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.float16]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    native_masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    excluded: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Cut") -> None:
        """Append another patient's slices."""
        self.rows += other.rows
        self.images += other.images
        self.masks += other.masks
        self.native_masks |= other.native_masks
        self.excluded += other.excluded
        self.cases += other.cases


def cut_task(task: Task) -> Cut:
    """Read a patient and cut her; a missing raw file is restored first.

    Raises:
        InputError: a file is missing, unreadable or not what was recorded, or grids differ.
    """
    cut, params = Cut(), task.source.params
    sides = params["cohort"]["sides"]
    square = SquarePatient.of(read_patient(task.source), params["slices"], sides)
    cut_patient(square, params["slices"], task.negatives, task.is_test, cut, sides)
    case = square.case(params["volumes"]["minimum_lesion_mm3"], sides)
    if case is not None:
        cut.cases.append({"patient": task.source.patient, **vars(case)})
    return cut


def cut_patient(
    square: SquarePatient,
    options: Mapping[str, Any],
    negatives: int,
    is_test: bool,
    cut: Cut,
    sides: str = PATIENT,
) -> None:
    """Cut one patient and append to `cut`.

    Args:
        square: the patient.
        options: the parameters of `slices`.
        negatives: how many tumour-free slices are cut too.
        is_test: whether native masks are kept.
        cut: what is appended to.
        sides: `cohort.sides`.
    """
    patient, grid, midline = square.patient, square.grid, square.midline
    chosen: dict[int, tuple[str, str]] = {}
    with_lesion = [int(z) for z in np.flatnonzero(patient.mask.any(axis=(1, 2)))]
    for z in with_lesion:
        side, reason = "", _fault(patient.intensity[z], patient.mask[z])
        if not reason:
            own = square.mask(z)
            side, reason = _judge(own, midline, grid.spacing, options, sides)
        if reason:
            cut.excluded.append(_left_out(patient, z, reason))
        else:
            chosen[z] = ("tumour", side)
    used = set(_selected(sorted(chosen), options))
    cut.excluded += [_left_out(patient, z, UNSELECTED) for z in sorted(set(chosen) - used)]
    chosen = {z: chosen[z] for z in sorted(used)}
    if negatives and chosen:
        free = _tumour_free(patient.name, len(square.unit), with_lesion, negatives, options["seed"])
        free = [z for z in free if not _fault(patient.intensity[z], patient.mask[z])]
        chosen |= dict.fromkeys(free, ("negative", ""))
    for z, (kind, side) in sorted(chosen.items()):
        row = _row(patient, z, kind, side, grid, midline)
        cut.rows.append(row)
        cut.images.append(square.image(z))
        cut.masks.append(square.mask(z))
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
    patient: str, depth: int, with_lesion: list[int], wanted: int, seed: int
) -> list[int]:
    """A fixed random sample of slices that hold no lesion and touch none.

    Neighbours of lesion slices are left out: partial volume makes them neither tumour nor free of it.
    """
    near = {z + step for z in with_lesion for step in (-1, 0, 1)}
    free = [z for z in range(depth) if z not in near]
    count = min(wanted, len(free))
    generator = np.random.default_rng([seed, zlib.crc32(patient.encode())])
    return sorted(int(z) for z in generator.choice(free, count, replace=False)) if count else []


def _row(
    patient: Patient, z: int, kind: str, side: str, grid: SquareGrid, midline_col: float
) -> dict[str, Any]:
    """A slice's row of slices.csv."""
    return {
        "slice_id": slice_name(patient.name, z),
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
