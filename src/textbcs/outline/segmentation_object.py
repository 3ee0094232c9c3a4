"""An outline as a DICOM SEG object that refers to the images it lies on (PS3.3 A.51), by highdicom.

What viewers need, and what is done about it:

- 3D Slicer (dcmqi) and readers like it place every frame by its own position and orientation. OHIF
  (cornerstone's adapters) lays the pixels of a frame on the image that the frame refers to, and turns them
  where the two state different orientations; it has turned them wrongly, so that outlines came out upside
  down (its issues 2003, 2833 and 3420). So each frame has the rows, columns, orientation and position of one
  source image, and refers to that image alone: both ways lead to the same place.
- OHIF's older adapter looks for the segment's number in the groups of each frame, where highdicom shares it.
- OHIF has hung on a segment without frames (its issue 3991), and some readers take the distance of stored
  frames for that of slices. So every slice has a frame, empty or not, in their order in space, and the
  distance is stated. An outline of nothing is the same object with zeros, which is allowed: PS3.3 A.51 wants
  at least one frame, and no pixel in it. That costs a bit for each voxel.
- ReferencedSeriesSequence names the series, SOP instances and frame of reference are the source's.
- OHIF shows no fractional SEG: it is made on request, beside the binary one.

UIDs follow from the pixels, the source series, the prompt and the package's sha256, and no time of making is
written (`source_study.take_required`), so the same input gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import canonical_json, sha256_bytes
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import lps_orientation
from textbcs.imaging.planes import Plane, stack_affine
from textbcs.intake.dicom_parsing import text, whole
from textbcs.outline.segment_description import (
    LABEL,
    PROBABILITY_LABEL,
    equipment,
    segment,
)
from textbcs.outline.segment_description import Algorithm as Algorithm
from textbcs.outline.source_study import REQUIRED, UTF_8, by_slice, derived_uid, line, take_required

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from pydicom.dataset import Dataset

STEPS = 255
_SERIES_NUMBERS = {"BINARY": 7001, "FRACTIONAL": 7002}
_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True)
class _Slice:
    """A source image: its header, its place, and its frame's number in an enhanced file, else 0."""

    source: "Dataset"
    plane: Plane
    frame: int


def segmentation(
    sources: Sequence["Dataset"],
    mask: NDArray[np.bool_],
    grid: Grid,
    about: Algorithm,
    side: str = "",
) -> "Segmentation":
    """A mask as a binary SEG of one segment; `source_study.encoded` gives its bytes.

    Args:
        sources: headers of all images of the grid, in any order (`source_study.read_sources`).
        mask: (z, y, x) on the grid; it may be empty.
        grid: the LPS grid of the series, as `imaging.dicom` reads it.
        about: what made the mask.
        side: `left`, `right` or `both` of the patient; "" where it is not known.

    Raises:
        InputError: the images cannot be referred to, with the reason.
    """
    if mask.dtype != np.bool_:
        raise ValueError(f"a mask is of bool, not of {mask.dtype}")
    return _object(sources, mask, grid, about, side, "BINARY")


def fractional_segmentation(
    sources: Sequence["Dataset"],
    probability: NDArray[np.float32],
    grid: Grid,
    about: Algorithm,
    side: str = "",
) -> "Segmentation":
    """A probability as a fractional SEG in steps of 1/255, of a byte for each voxel.

    Args:
        sources, grid, about, side: as in `segmentation`.
        probability: (z, y, x) on the grid, from 0 to 1.

    Raises:
        InputError: as in `segmentation`.
    """
    low, high = float(probability.min()), float(probability.max())
    if probability.dtype.kind != "f" or not (low >= 0 and high <= 1):
        raise ValueError(f"a probability is a float from 0 to 1, not {low} to {high}")
    return _object(sources, probability, grid, about, side, "FRACTIONAL")


def _object(
    sources: Sequence["Dataset"],
    values: NDArray[Any],
    grid: Grid,
    about: Algorithm,
    side: str,
    kind: str,
) -> "Segmentation":
    """Values (z, y, x) on a grid as a SEG of a kind."""
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    if values.shape != grid.shape:
        raise ValueError(f"values of {values.shape} on a grid of {grid.shape}")
    slices, frames = _raw(by_slice(sources, grid), values, grid)
    first = slices[0]
    series = text(first.source, "SeriesInstanceUID")
    label = LABEL if kind == "BINARY" else PROBABILITY_LABEL
    identity = (kind, canonical_json(about.parameters), about.name, about.version, side, series)
    content = sha256_bytes(frames.tobytes())
    found = highdicom.seg.Segmentation(
        source_images=[_stand_in(one, number, grid) for number, one in enumerate(slices, start=1)],
        pixel_array=frames,
        segmentation_type=kind,
        segment_descriptions=[segment(about, side, series, label)],
        series_instance_uid=derived_uid("series", *identity, content),
        series_number=_SERIES_NUMBERS[kind],
        sop_instance_uid=derived_uid("instance", *identity, content),
        instance_number=1,
        max_fractional_value=STEPS,
        content_label="TUMOR",
        content_description=line(f"Outline by {about.name} {about.version}", 64),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
        specific_character_set=UTF_8,
        series_description=line(f"{about.name} {label.lower()}", 64),
        **equipment(about),
        **_geometry(slices, grid),
    )
    found.ContentCreatorName = ""
    take_required(found, first.source)
    _name_dimensions(found, derived_uid("dimensions", *identity, content))
    _refer(found, slices)
    return found


def _geometry(slices: Sequence[_Slice], grid: Grid) -> dict[str, Any]:
    """Where the frames lie. Slices fill the volume: they are as thick as they are apart."""
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence

    plane, step = slices[0].plane, float(np.linalg.norm(grid.affine[:3, 2]))
    return {
        "pixel_measures": PixelMeasuresSequence(plane.spacing, step, step),
        "plane_orientation": PlaneOrientationSequence("PATIENT", plane.orientation),
        "plane_positions": [PlanePositionSequence("PATIENT", s.plane.position) for s in slices],
    }


def _raw(
    sources: Sequence["Dataset"], values: NDArray[Any], grid: Grid
) -> tuple[list[_Slice], NDArray[Any]]:
    """The source images by falling distance along their normal, as highdicom orders frames, and the values
    of each, as its rows and columns run: what `imaging.dicom` did to them undone."""
    numbers = grid.instance_numbers if grid.numbered else (0,) * len(sources)
    slices = [
        _Slice(source, plane, number if (whole(source, "NumberOfFrames") or 1) > 1 else 0)
        for source, plane, number in zip(sources, grid.planes, numbers, strict=True)
    ]
    row, column = np.asarray(slices[0].plane.orientation, np.float64).reshape(2, 3)
    normal = np.cross(row, column)
    slices.sort(key=lambda one: float(np.asarray(one.plane.position) @ normal))
    affine = stack_affine([one.plane for one in slices])
    raw = lps_orientation(affine).undo(values)
    return slices[::-1], np.ascontiguousarray(raw[::-1])


def _stand_in(one: _Slice, number: int, grid: Grid) -> "Dataset":
    """A single image in a source's place: highdicom copies whatever a real one has beside what it must."""
    from pydicom.dataset import Dataset

    found, plane = Dataset(), one.plane
    for keyword in REQUIRED:
        setattr(found, keyword, "")
    found.StudyInstanceUID = text(one.source, "StudyInstanceUID")
    found.SeriesInstanceUID = text(one.source, "SeriesInstanceUID")
    found.SOPClassUID, found.SOPInstanceUID = _MR_IMAGE, f"2.25.{number}"
    found.FrameOfReferenceUID = grid.frame_of_reference
    found.PositionReferenceIndicator = line(text(one.source, "PositionReferenceIndicator"), 64)
    found.Modality, found.Rows, found.Columns = "MR", plane.rows, plane.columns
    found.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    found.ImagePositionPatient = [0, 0, number]
    found.PixelSpacing, found.SliceThickness = [1, 1], 1
    return found


def _name_dimensions(found: "Segmentation", uid: str) -> None:
    """Replace the random UID of the dimensions."""
    for item in (*found.DimensionIndexSequence, *found.DimensionOrganizationSequence):
        item.DimensionOrganizationUID = uid


def _refer(found: "Segmentation", slices: Sequence[_Slice]) -> None:
    """Refer to the real images: the object to all of them, each frame to its own.

    The segment's number moves from the shared groups into each frame's.
    """
    from pydicom.dataset import Dataset

    distinct = {text(one.source, "SOPInstanceUID"): one.source for one in slices}
    references = [_reference(source) for source in distinct.values()]
    found.SourceImageSequence = references
    series = Dataset()
    series.SeriesInstanceUID = text(slices[0].source, "SeriesInstanceUID")
    series.ReferencedInstanceSequence = references
    found.ReferencedSeriesSequence = [series]
    shared = found.SharedFunctionalGroupsSequence[0]
    numbers = shared.pop("SegmentIdentificationSequence").value
    for one, groups in zip(slices, found.PerFrameFunctionalGroupsSequence, strict=True):
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        if not np.allclose(np.asarray(position, np.float64), one.plane.position, atol=1e-3):
            raise RuntimeError("highdicom orders frames in another way than it did")
        groups.DerivationImageSequence = [_derivation(one)]
        groups.SegmentIdentificationSequence = numbers


def _reference(source: "Dataset") -> "Dataset":
    from pydicom.dataset import Dataset

    found = Dataset()
    found.ReferencedSOPClassUID = text(source, "SOPClassUID")
    found.ReferencedSOPInstanceUID = text(source, "SOPInstanceUID")
    return found


def _derivation(one: _Slice) -> "Dataset":
    """That a frame was drawn on an image, at the same place."""
    from highdicom.sr import CodedConcept
    from pydicom.dataset import Dataset

    image, found = _reference(one.source), Dataset()
    if one.frame:
        image.ReferencedFrameNumber = one.frame
    image.PurposeOfReferenceCodeSequence = [
        CodedConcept("121322", "DCM", "Source image for image processing operation")
    ]
    image.SpatialLocationsPreserved = "YES"
    found.SourceImageSequence = [image]
    found.DerivationCodeSequence = [CodedConcept("113076", "DCM", "Segmentation")]
    return found
