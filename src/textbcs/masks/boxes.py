"""Annotation boxes of the Duke workbook: read with all their faults, located in the patient.

A box counts rows, columns and slices of the raw images of the dynamic study, sorted by InstanceNumber.
The workbook states neither base nor orientation, so `cohort.box_base` is a parameter and everything
else comes from DICOM: each slice of a box is placed by its own plane, never by an index of a volume
that some reader sorted by z.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import Affine, dicom_affine, transform
from textbcs.imaging.planes import Plane
from textbcs.intake.own_tables import read_own_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "Patient ID",
    "Start Row",
    "End Row",
    "Start Column",
    "End Column",
    "Start Slice",
    "End Slice",
)
ABSENT = "patient is not in the cohort, or excluded"
AXES = ("row", "column", "slice")
_LARGEST = 1 << 31  # of any number of a row, column or slice


class BoxError(Exception):
    """A box that cannot be used, and why."""


@dataclass(frozen=True)
class Box:
    """A box on raw images: first and last row, column and slice, inclusive, counted from 0.

    `line` is the line of the table that it stands in, counted from 1 with the header.
    """

    patient: str
    line: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    slices: tuple[int, int]


@dataclass(frozen=True)
class Fault:
    """A line of the table that is not used, and why."""

    patient: str
    line: int
    reason: str


@dataclass(frozen=True)
class Place:
    """Where a box lies.

    Attributes:
        low, high: centres of its outermost voxels, LPS mm (x, y, z).
        first, last: its voxels on the LPS grid, inclusive (x, y, z).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @property
    def voxels(self) -> tuple[slice, slice, slice]:
        """The box as slices of an array (z, y, x)."""
        spans = [slice(int(a), int(b) + 1) for a, b in zip(self.first, self.last, strict=True)]
        return spans[2], spans[1], spans[0]


def read_boxes(path: str | Path, base: int) -> tuple[dict[str, Box], list[Fault]]:
    """Read a table of boxes that a person made, CSV or XLSX.

    Args:
        path: a table with the columns `COLUMNS`, in any order; others are ignored.
        base: number of the first row, column and slice, 0 or 1.

    Returns:
        The usable boxes by patient, and every line that is not used. Of a patient with several lines
        none is used: which one is meant cannot be told.

    Raises:
        InputError: no readable table, or a column is missing.
    """
    table = read_own_table(Path(path), COLUMNS)
    lines: dict[str, list[int]] = {}
    for line, patient in zip(table.index, table["Patient ID"], strict=True):
        lines.setdefault(str(patient), []).append(int(line))
    boxes, faults = {}, []
    for patient, own in lines.items():
        for line in own:
            reason = "" if patient else "no patient"
            if len(own) > 1:
                reason = reason or f"patient in lines {', '.join(map(str, own))}"
            spans, wrong = _spans(table.loc[line], base)
            if reason or wrong:
                faults.append(Fault(patient, line, reason or wrong))
            else:
                boxes[patient] = Box(patient, line, *spans)
    return boxes, sorted(faults, key=lambda fault: fault.line)


def _spans(row: Any, base: int) -> tuple[list[tuple[int, int]], str]:
    """The three spans of a line counted from 0, and what is wrong with them ("" if nothing)."""
    spans: list[tuple[int, int]] = []
    for axis in AXES:
        limits = []
        for end in ("Start", "End"):
            value = _whole(row[f"{end} {axis.title()}"])
            if value is None:
                return spans, f"{end} {axis.title()} is no whole number"
            limits.append(value - base)
        if limits[0] < 0:
            return spans, f"first {axis} {limits[0] + base} lies before number {base}"
        if limits[1] < limits[0]:
            first, last = limits[0] + base, limits[1] + base
            return spans, f"inverted: {axis}s {first} to {last}"
        spans.append((limits[0], limits[1]))
    return spans, ""


def _whole(value: Any) -> int | None:
    """A cell as a whole number, None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() and abs(number) < _LARGEST else None


def locate(
    box: Box,
    planes: Sequence[Plane],
    instance_numbers: Sequence[int],
    affine: Affine,
    shape: Sequence[int],
) -> Place:
    """Carry a box from raw images to the LPS grid of their series.

    Args:
        box: the box.
        planes: of the series' images, in any order.
        instance_numbers: of the same images; a slice of a box is a place in their order.
        affine: the LPS grid; `shape`: its (z, y, x).

    Raises:
        BoxError: the box does not lie within the images, or InstanceNumbers do not order them.
    """
    if len(set(instance_numbers)) < len(planes):
        raise BoxError("InstanceNumber does not order the slices")
    sizes = (planes[0].rows, planes[0].columns, len(planes))
    for axis, span, size in zip(AXES, (box.rows, box.columns, box.slices), sizes, strict=True):
        if span[1] >= size:
            raise BoxError(f"outside: its last {axis} is number {span[1] + 1} of {size}")
    order = np.argsort(instance_numbers, kind="stable")
    # Corners of every slice: a box stays one even where InstanceNumber does not follow position.
    points = np.concatenate(
        [_corners(planes[n], box) for n in order[box.slices[0] : box.slices[1] + 1]]
    )
    inverse = np.asarray(np.linalg.inv(affine), dtype=np.float64)
    index = np.rint(transform(inverse, points)).astype(np.int64)
    last = np.asarray(shape[::-1]) - 1
    return Place(
        points.min(axis=0),
        points.max(axis=0),
        np.clip(index.min(axis=0), 0, last),
        np.clip(index.max(axis=0), 0, last),
    )


def _corners(plane: Plane, box: Box) -> NDArray[np.float64]:
    """The centres of a box's four corner pixels on one image, LPS mm."""
    affine = dicom_affine(plane.orientation, plane.position, plane.spacing, (0.0, 0.0, 0.0))
    return transform(affine, [(x, y, 0) for x in box.columns for y in box.rows])


def box_rows(
    boxes: Mapping[str, Box],
    faults: Sequence[Fault],
    places: Mapping[str, Place | str],
) -> "pd.DataFrame":
    """The table of boxes as an artifact: every line of the workbook, located or with its reason.

    Args:
        boxes: what `read_boxes` gave; `faults` likewise.
        places: of every patient of the cohort that has an image, her box's place or why there is none.

    Returns:
        Columns patient, line (of the workbook; empty for a patient without one), {l,p,s}_{min,max}_mm,
        {x,y,z}_{first,last}, reason; sorted by patient, then line.
    """
    import pandas as pd

    rows: list[list[Any]] = []
    blank = [None] * 12
    rows += [[fault.patient, fault.line, *blank, fault.reason] for fault in faults]
    for patient, box in boxes.items():
        place = places.get(patient, ABSENT)
        if isinstance(place, str):
            rows.append([patient, box.line, *blank, place])
            continue
        millimetres = [
            round(float(v), 3) for pair in zip(place.low, place.high, strict=True) for v in pair
        ]
        voxels = [int(v) for pair in zip(place.first, place.last, strict=True) for v in pair]
        rows.append([patient, box.line, *millimetres, *voxels, ""])
    named = set(boxes) | {fault.patient for fault in faults}
    rows += [[patient, None, *blank, "no line"] for patient in places if patient not in named]
    columns = [f"{axis}_{end}_mm" for axis in "lps" for end in ("min", "max")]
    columns += [f"{axis}_{end}" for axis in "xyz" for end in ("first", "last")]
    table = pd.DataFrame(rows, columns=["patient", "line", *columns, "reason"])
    whole = [name for name in columns if not name.endswith("_mm")]
    table = table.astype(dict.fromkeys(["line", *whole], "Int64"))
    return table.sort_values(["patient", "line"], ignore_index=True)
