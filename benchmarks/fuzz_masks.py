"""Trials of segmentations: DICOM SEG against pydicom, 3D Slicer's `.seg.nrrd` against pynrrd."""

import re
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import nrrd as pynrrd
import numpy as np
import pydicom
from fuzz_damage import check, check_equal, damaged, tried
from fuzz_dicom import TOLERANCE, judge_folder, write_good
from fuzz_dicom_files import NATIVE, OTHER, altered, series
from fuzz_volumes import by_pynrrd, line_changed, nrrd_bytes
from numpy.random import Generator
from segmentation_objects import segmentation_object

from textbcs.imaging.dicom import read_grid
from textbcs.imaging.segmentation import Segmentation, read_segmentation
from textbcs.imaging.volume_files import read_mask
from textbcs.masks.fitting import MisfitError, fit_segmentation

LABELS = ("Breast", "Tumour")
_SERIES = "1.2.826.0.277.5"


def segmentation(folder: Path, rng: Generator) -> str:
    """A damaged DICOM SEG beside its images."""
    content = _seg(str(rng.choice(["BINARY", "FRACTIONAL", "LABELMAP"])))
    change = damaged if rng.random() < 0.4 else altered
    write_good(folder)
    own = folder / "b"
    own.mkdir()
    for number, image in enumerate(series(OTHER, NATIVE[1], 2), start=1):
        (own / f"IM{number:04d}.dcm").write_bytes(image)
    path = own / "segmentation.dcm"
    path.write_bytes(change(content, rng))
    judge_folder(folder, path, bool(rng.random() < 0.2))
    found, line = tried(lambda: read_segmentation(path, "Tumour"), [str(path)])
    if found is None:
        return line
    _compare(found, pydicom.dcmread(BytesIO(path.read_bytes()), force=True))
    grid = read_grid(sorted(own.glob("IM*")), TOLERANCE)
    mask, line = tried(
        lambda: fit_segmentation(found, grid, {_SERIES}, 0.5), [str(path)], (MisfitError,)
    )
    if mask is not None:
        check(mask.shape == grid.shape and set(np.unique(mask)) <= {0, 1}, "no mask on the grid")
    return line


def _compare(found: Segmentation, dataset: pydicom.Dataset) -> None:
    """Compare frames and their places with pydicom's pixels and elements."""
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = NATIVE[1]
    # Neither changes what is inside of a mask; pydicom minds them.
    dataset.add_new("SamplesPerPixel", "US", 1)
    dataset.add_new("PhotometricInterpretation", "CS", "MONOCHROME2")
    for keyword, usual in (("BitsStored", int(dataset.BitsAllocated)), ("PixelRepresentation", 0)):
        if dataset.get(keyword) is None:
            dataset.add_new(keyword, "US", usual)
    pixels = np.asarray(dataset.pixel_array)
    pixels = pixels if pixels.ndim == 3 else pixels[None]
    numbers = {
        int(one.SegmentNumber)
        for one in dataset.SegmentSequence
        if str(one.get("SegmentLabel", "")).strip() == "Tumour"
    }
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    expected = []
    for own, plane in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        inside = plane != 0
        if dataset.SegmentationType == "LABELMAP":
            inside = np.isin(plane, list(numbers))
        else:
            holder = own if own.get("SegmentIdentificationSequence") else shared
            group = holder.SegmentIdentificationSequence[0]
            if int(group.ReferencedSegmentNumber) not in numbers:
                continue
        if dataset.SegmentationType == "FRACTIONAL":
            inside = 2 * plane.astype(np.int64) >= int(dataset.MaximumFractionalValue)
        if inside.any():
            holder = own if own.get("PlanePositionSequence") else shared
            place: Any = holder.get("PlanePositionSequence")
            expected.append((inside, place and place[0].get("ImagePositionPatient")))
    check(len(found.frames) == len(expected), f"{len(found.frames)} frames, not {len(expected)}")
    for frame, (inside, position) in zip(found.frames, expected, strict=True):
        check_equal(frame.pixels, inside, "frame")
        if frame.plane is not None:
            check_equal(frame.plane.position, [float(one) for one in position], "position")


def seg_nrrd(folder: Path, rng: Generator) -> str:
    """A damaged `.seg.nrrd`: all its segments, or one of them."""
    content = nrrd_bytes(str(rng.choice(["raw", "gzip"])), False, False, True)
    change = line_changed if rng.random() < 0.5 else damaged
    path = folder / "berta.seg.nrrd"
    path.write_bytes(change(content, rng))
    name = "Tumour" if rng.random() < 0.5 else None
    found, line = tried(lambda: read_mask(path, None, name), [str(path)])
    if found is None:
        return line
    header = pynrrd.read_header(str(path))
    values, affine = by_pynrrd(path)
    labels, number = [], 0
    while own := {key for key in header if re.fullmatch(f"Segment{number}_(ID|Name)", key)}:
        called = header[max(own)]  # the name where there is one
        if name in (None, called):
            labels.append(int(header.get(f"Segment{number}_LabelValue", 1)))
        number += 1
    check_equal(found.affine, affine, "affine", 1e-4)
    if labels and values.ndim == 3:
        check_equal(found.array, np.isin(values, labels).transpose(2, 1, 0), "mask")
    return ""


@lru_cache
def _seg(kind: str) -> bytes:
    """A SEG of two segments by highdicom, without the times at which it was written."""
    images = [pydicom.dcmread(BytesIO(content)) for content in series(OTHER, NATIVE[1], 2)]
    for image in images:
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.StudyID = ""
        image.ReferringPhysicianName = image.StudyTime = ""
        image.SliceThickness = 2.5
    shape = (len(images), images[0].Rows, images[0].Columns)
    labels = np.random.default_rng(4).integers(0, 3, shape).astype(np.uint8)
    labels[0] = 0
    stacked = np.stack([labels == 1, labels == 2], axis=-1)
    pixels: Any = labels if kind == "LABELMAP" else stacked.astype(np.uint8)
    if kind == "FRACTIONAL":
        pixels = stacked * 1.0
    made = segmentation_object(
        images,
        pixels,
        kind,
        LABELS,
        series_instance_uid="1.2.826.0.277.6",
        sop_instance_uid="1.2.826.0.277.6.1",
    )
    _take_dates_away(made)
    buffer = BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


def _take_dates_away(made: pydicom.Dataset) -> None:
    """Make an object the same in every run: without times, and with no random UIDs."""
    for element in list(made):
        if element.VR in ("DA", "TM", "DT"):
            del made[element.tag]
    for number, item in enumerate(made.get("DimensionOrganizationSequence", [])):
        item.DimensionOrganizationUID = f"1.2.826.0.277.7.{number}"
    for item in made.get("DimensionIndexSequence", []):
        item.DimensionOrganizationUID = "1.2.826.0.277.7.0"
