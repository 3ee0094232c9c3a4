"""How a study was acquired, and what of that the training data never had."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from textbcs.imaging.dicom import Grid, Header
from textbcs.imaging.geometry import spacing
from textbcs.intake.spelling import plain

# A spacing this much outside the training's range is still like it: headers round.
_ROOM = 0.05


@dataclass(frozen=True)
class Acquisition:
    """Facts of a study that change how images look; nothing of them says who the patient is.

    Attributes:
        manufacturer: "" where no header says it.
        field_strength_t: in tesla as text with one decimal, "" where no header says it.
        spacing_slice_mm: distance of slices.
        spacing_row_mm, spacing_col_mm: of rows and columns.
        slices, rows, cols: voxels along each axis.
    """

    manufacturer: str
    field_strength_t: str
    spacing_slice_mm: float
    spacing_row_mm: float
    spacing_col_mm: float
    slices: int
    rows: int
    cols: int

    @classmethod
    def of(cls, grid: Grid, header: Header | None) -> "Acquisition":
        """Of a study's grid and, where it has one, a DICOM header."""
        col_mm, row_mm, slice_mm = (float(step) for step in spacing(grid.affine))
        maker = plain(header.manufacturer, 64) if header else ""
        return cls(maker, header.tesla if header else "", slice_mm, row_mm, col_mm, *grid.shape)

    def to_json(self) -> dict[str, Any]:
        """The facts as plain values."""
        return asdict(self)


def unlike(own: Acquisition, training: Mapping[str, Any]) -> list[str]:
    """What of a study the training data never had, a sentence each; nothing where all is alike.

    Args:
        own: of the study.
        training: the facts of a package's training data.
    """
    told = []
    spans = training["spacing_mm"]
    for what, value, limits, unit in (
        ("distance of slices", own.spacing_slice_mm, spans["slice"], " mm"),
        ("row spacing", own.spacing_row_mm, spans["row"], " mm"),
        ("column spacing", own.spacing_col_mm, spans["column"], " mm"),
        ("number of slices", own.slices, training["slices"], ""),
    ):
        if limits and not limits[0] * (1 - _ROOM) <= value <= limits[1] * (1 + _ROOM):
            span = f"{limits[0]:.4g} to {limits[1]:.4g}{unit}"
            told.append(f"the {what} is {value:.4g}{unit}; the training data had {span}")
    for what, said, known, unit in _stated(own, training):
        if said and said.casefold() not in {word.casefold() for word in known}:
            told.append(
                f"the {what} is {said}{unit}; the training data had {', '.join(known)}{unit}"
            )
    return told


def unstated(own: Acquisition, training: Mapping[str, Any]) -> list[str]:
    """What a study does not say of itself although the training data do, a sentence each."""
    return [
        f"the study does not state its {what}, so nobody can say whether the training data had it"
        for what, value, known, _ in _stated(own, training)
        if known and not value
    ]


def _stated(own: Acquisition, training: Mapping[str, Any]) -> list[tuple[str, str, list[str], str]]:
    """Facts that are words: what, the study's, the training data's where they have any, and the unit."""
    told = []
    for what, value, name, unit in (
        ("field strength", own.field_strength_t, "field_strength_t", " T"),
        ("manufacturer", own.manufacturer, "manufacturers", ""),
    ):
        known = sorted({str(one) for one in training[name] if str(one)})
        if known:
            told.append((what, value, known, unit))
    return told
