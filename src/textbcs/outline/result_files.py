"""The files of an outline: NIfTI on the source's grid, DICOM objects that refer to it, page and summary."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import write_bytes, write_json
from textbcs.outline.drawing import Outline
from textbcs.outline.nifti_files import SourceGrid, map_bytes, mask_bytes
from textbcs.outline.output_folder import SUMMARY
from textbcs.outline.page.study_page import render
from textbcs.outline.page.study_viewer import viewer_data
from textbcs.outline.segmentation_object import (
    Algorithm,
    fractional_segmentation,
    segmentation,
)
from textbcs.outline.source_study import encoded, read_sources
from textbcs.outline.structured_report import LesionMeasurements, structured_report
from textbcs.outline.summary import software_version, summary
from textbcs.slices.laterality import PATIENT
from textbcs.study.study_files import DICOM

MASK, PROBABILITY, VACUITY = "mask.nii.gz", "probability.nii.gz", "vacuity.nii.gz"
SEGMENTATION, FRACTIONAL, REPORT = "segmentation.dcm", "probability.dcm", "report.dcm"
PAGE = "report.html"
NO_FRAME = "the images state no frame of reference, so no DICOM object can lie on them: use the NIfTI files"


def file_names(dicom: bool, has_evidence: bool, fractional: bool) -> list[str]:
    """The files that a result has.

    Args:
        dicom: the study is a DICOM series with a frame of reference.
        has_evidence: the network tells vacuity.
        fractional: a fractional SEG is wanted.
    """
    names = [MASK, PROBABILITY, *([VACUITY] if has_evidence else [])]
    if dicom:
        names += [SEGMENTATION, *([FRACTIONAL] if fractional else []), REPORT]
    return [*names, PAGE, SUMMARY]


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM objects of a result that is there."""
    names = (SEGMENTATION, FRACTIONAL, REPORT)
    return [folder / name for name in names if (folder / name).is_file()]


def write_files(
    folder: Path, outline: Outline, origin: Mapping[str, str], fractional: bool = False
) -> dict[str, Any]:
    """Write an outline's files.

    Args:
        folder: an empty one.
        outline: what is written.
        origin: as `summary.made_from` gives it.
        fractional: write the probability as a fractional SEG too.

    Returns:
        The summary.

    Raises:
        InputError: a file of the study has become unreadable.
    """
    grid = SourceGrid.of(outline.study)
    write_bytes(folder / MASK, mask_bytes(outline.mask, grid))
    write_bytes(folder / PROBABILITY, map_bytes(outline.probability, grid))
    if outline.vacuity is not None:
        write_bytes(folder / VACUITY, map_bytes(outline.vacuity, grid))
    notes: list[str] = []
    if outline.study.files.kind == DICOM:
        if outline.study.grid.frame_of_reference:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # libraries quote values, and a value may be a name
                _write_dicom(folder, outline, fractional)
        else:
            notes.append(NO_FRAME)
    found = summary(outline, dict(origin), notes)
    page = render(found, viewer_data(outline))
    write_bytes(folder / PAGE, page.encode())
    write_json(folder / SUMMARY, found)
    return found


def _write_dicom(folder: Path, outline: Outline, fractional: bool) -> None:
    """The SEG, the structured report and, if wanted, the fractional SEG."""
    grid, measured, prompt = outline.study.grid, outline.measurements, outline.prompt
    about = Algorithm(
        outline.package.name, software_version(), outline.package.sha256, prompt.text, prompt.source
    )
    # DICOM's laterality is the patient's; a package of `cohort.sides: image` does not know it.
    side = (measured.side or "") if outline.package.sides == PATIENT else ""
    sources = read_sources(grid)
    found = segmentation(sources, outline.mask, grid, about, side)
    write_bytes(folder / SEGMENTATION, encoded(found))
    if fractional:
        other = fractional_segmentation(sources, outline.probability, grid, about, side)
        write_bytes(folder / FRACTIONAL, encoded(other))
    numbers = LesionMeasurements(
        measured.volume_ml,
        measured.largest_diameter_mm,
        measured.largest_in_plane_diameter_mm,
        side,
    )
    write_bytes(folder / REPORT, encoded(structured_report(sources, found, numbers, about)))
