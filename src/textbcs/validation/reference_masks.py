"""The true mask of a patient on the grid of her study: NIfTI, NRRD or DICOM SEG, placed by its geometry."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.imaging import volume_files
from textbcs.imaging.mask_values import Labels
from textbcs.imaging.segmentation import read_segmentation
from textbcs.imaging.segmentation_planes import placed
from textbcs.intake.guard import reading
from textbcs.intake.series_uids import whole_uid
from textbcs.intake.spelling import short
from textbcs.masks.fitting import MisfitError, fit_segmentation, fit_volume
from textbcs.study.reading import Study


@dataclass(frozen=True)
class MaskRules:
    """What of a mask file is tumour.

    Attributes:
        labels: of a volume: values, `all`, or None for the one that there is.
        segments: names of segments; None for the one that there is.
        max_outside: share of a mask that may lie outside its images.
    """

    labels: Labels = None
    segments: Sequence[str] | None = None
    max_outside: float = 0.05


def read_reference(path: Path, study: Study, rules: MaskRules) -> NDArray[np.bool_]:
    """A patient's mask (z, y, x) on her study's LPS grid; an empty one stays empty.

    Raises:
        InputError: a damaged file, labels or segments that nobody chose, or a mask that does not fit.
    """
    try:
        if volume_files.stem(path) is not None:
            segments = rules.segments if path.suffix.lower() == ".nrrd" else None
            volume = volume_files.read_mask(path, rules.labels, segments)
            return fit_volume(volume, study.grid, rules.max_outside) > 0
        return _of_object(path, study, rules)
    except MisfitError as error:
        raise InputError(f"{path}: {error}; is it the mask of another study?") from error


def _of_object(path: Path, study: Study, rules: MaskRules) -> NDArray[np.bool_]:
    """The mask of a DICOM SEG."""
    segmentation = read_segmentation(path, list(rules.segments or [_only_segment(path)]))
    phases = study.files.phases.values()
    series = {whole_uid(one.first.series_uid) for one in phases if one.first}
    if not series:  # of a volume file there is nothing to refer to: the geometry alone decides
        volume = placed(segmentation, study.grid)
        if volume is None:
            return np.zeros(study.grid.shape, bool)
        return fit_volume(volume, study.grid, rules.max_outside) > 0
    return fit_segmentation(segmentation, study.grid, series, rules.max_outside) > 0


def _only_segment(path: Path) -> str:
    """The label of the one kind of segment that a SEG has."""
    from pydicom import dcmread

    with reading(path, "DICOM segmentation"):
        dataset = dcmread(path, stop_before_pixels=True)
        labels = sorted({str(one.SegmentLabel) for one in dataset.get("SegmentSequence") or []})
    if len(labels) != 1:
        there = ", ".join(short(one) for one in labels[:6]) or "none"
        raise InputError(
            f"{path}: which segment is tumour? name it with --segment; there are {there}"
        )
    return labels[0]
