"""What findings in a whole volume are worth: a row of metrics per patient, on her native grid.

Empty masks follow `metrics.overlap`, with the volume in the image's place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.volume_store import native_spacing_of
from textbcs.evaluation.metrics import overlap
from textbcs.evaluation.metrics.lesions import (
    Components,
    LesionCounts,
    compare_components,
    find_components,
)
from textbcs.evaluation.metrics.surfaces import nsd_columns
from textbcs.evaluation.volumes.mamamia import hd95_voxels
from textbcs.evaluation.volumes.surfaces import volume_surfaces
from textbcs.imaging.geometry import minimum_voxels
from textbcs.slices.resize import SquareGrid

_MM3_PER_ML = 1000


@dataclass(frozen=True)
class Rules:
    """How volumes are scored.

    Attributes:
        tolerances_mm: of the NSD, ascending.
        minimum_mm3: smaller components are neither lesions nor findings.
        minimum_covered: share of a lesion in [0, 1] that must be predicted.
    """

    tolerances_mm: Sequence[float]
    minimum_mm3: float
    minimum_covered: float


@dataclass(frozen=True)
class Reference:
    """The true mask of a patient, whose components are sought once for all networks.

    Attributes:
        mask: (z, rows, cols).
        spacing_mm: of slices, rows and columns.
        components: of the mask.
    """

    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    components: Components

    @classmethod
    def of(cls, mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> "Reference":
        """Of a mask and its spacing."""
        slice_mm, row_mm, col_mm = (float(step) for step in spacing_mm)
        return cls(mask, (slice_mm, row_mm, col_mm), find_components(mask))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        slice_mm, row_mm, col_mm = self.spacing_mm
        return slice_mm * row_mm * col_mm

    def lesions(self, found: NDArray[np.bool_], rules: Rules) -> LesionCounts:
        """The lesions that `found`, of the mask's shape, covers, and its own components."""
        least = minimum_voxels(rules.minimum_mm3, self.voxel_mm3)
        components = find_components(found)
        return compare_components(components, self.components, least, rules.minimum_covered)


def to_native(findings: NDArray[np.bool_], facts: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Bring findings to the native grid slice by slice: where more than half of a pixel is foreground.

    Args:
        findings: (z, S, S), on the square grid.
        facts: the patient's row, for her grid.

    Returns:
        (z, native_rows, native_cols).
    """
    rows, cols = int(facts["native_rows"]), int(facts["native_cols"])
    _, row_mm, col_mm = native_spacing_of(facts)
    grid = SquareGrid((rows, cols), (row_mm, col_mm), findings.shape[-1])
    native = np.zeros((len(findings), rows, cols), dtype=bool)
    for z in np.flatnonzero(findings.any(axis=(1, 2))):
        native[z] = grid.to_native(findings[z].astype(np.float32)) > 0.5
    return native


def score_patient(found: NDArray[np.bool_], reference: Reference, rules: Rules) -> dict[str, Any]:
    """The metrics of one patient.

    Columns: `dice`; `nsd_<tolerance>mm`; `hd95_mm` and whether it is `distance_replaced`; `hd95_voxels`, as
    the MAMA-MIA challenge takes it; `lesions`, `lesions_found`, `components`, `false_components`;
    `reference_ml`, `predicted_ml` and, of the latter, `false_ml` outside the reference.

    Args:
        found: (z, rows, cols), on the grid of the reference.
        reference: the true mask.
        rules: how volumes are scored.
    """
    counts = overlap.count(found, reference.mask)
    outline = volume_surfaces(found, reference.mask, reference.spacing_mm, rules.tolerances_mm)
    voxel_ml = reference.voxel_mm3 / _MM3_PER_ML
    return {
        "dice": overlap.dice(counts),
        **dict(zip(nsd_columns(rules.tolerances_mm), outline.nsd, strict=True)),
        "hd95_mm": outline.hd95_mm,
        "distance_replaced": outline.replaced,
        "hd95_voxels": hd95_voxels(found, reference.mask),
        **vars(reference.lesions(found, rules)),
        "reference_ml": (counts.true_positive + counts.false_negative) * voxel_ml,
        "predicted_ml": (counts.true_positive + counts.false_positive) * voxel_ml,
        "false_ml": counts.false_positive * voxel_ml,
    }
