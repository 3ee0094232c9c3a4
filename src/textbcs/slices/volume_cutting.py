"""A patient's whole volume on the square grid: every slice, whatever is on it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.dataset.volume_store import Volume, packed
from textbcs.imaging.geometry import spacing
from textbcs.slices.patient_volumes import Patient, RecordedPatient, SquarePatient, read_patient

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cut_volume(source: RecordedPatient) -> "tuple[dict[str, Any], dict[str, NDArray[Any]]]":
    """Read a patient and cut every slice of her; a missing raw file is restored first.

    Returns:
        The facts of her volume, and its tensors as the store keeps them, small enough to travel.

    Raises:
        InputError: a file is missing, unreadable or not what was recorded, or grids differ.
    """
    params = source.params
    volume = whole_volume(read_patient(source), params["slices"], params["cohort"]["sides"])
    return volume.facts, packed(volume)


def whole_volume(patient: Patient, options: "dict[str, Any]", sides: str) -> Volume:
    """Every slice of a patient.

    Args:
        patient: as she was read.
        options: the parameters of `slices`.
        sides: `cohort.sides`.
    """
    square = SquarePatient.of(patient, options, sides)
    size, places = options["size"], range(len(square.unit))
    image = np.empty((len(places), size, size), dtype=np.float16)
    mask = np.empty(image.shape, dtype=bool)
    for z in places:
        image[z], mask[z] = square.image(z), square.mask(z) > 0
    return Volume(_facts(square), image, mask, patient.mask > 0)


def _facts(square: SquarePatient) -> dict[str, Any]:
    """A volume's row of patients.csv."""
    patient, grid = square.patient, square.grid
    return {
        "patient": patient.name,
        "series_uid": patient.series_uid,
        "slices": len(square.unit),
        "size": grid.size,
        "midline_col": square.midline,
        "spacing_slice_mm": float(spacing(patient.grid.affine)[2]),
        "spacing_mm": grid.spacing,
        "native_rows": grid.native_shape[0],
        "native_cols": grid.native_shape[1],
        "native_spacing_row_mm": grid.native_spacing[0],
        "native_spacing_col_mm": grid.native_spacing[1],
        "mask_source": patient.mask_source,
    }
