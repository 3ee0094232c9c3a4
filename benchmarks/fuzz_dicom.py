"""Trials of DICOM: a folder with a damaged file among good ones, through listing, ledger and reading.

The other patient always goes on, every file is used or counted with a reason, and what is read of the
damaged series has the voxels and the place that pydicom's own arrays and nibabel's orientation give.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from fuzz_damage import check, check_equal, check_line, damaged, tried
from fuzz_dicom_files import (
    GOOD,
    JPEG,
    NATIVE,
    OTHER,
    PACKED,
    POST,
    SHAPE,
    altered,
    enhanced,
    series,
)
from numpy.random import Generator
from pydicom.pixels import get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from textbcs.archives.archive import FolderArchive, Series
from textbcs.archives.incoming import PATIENT
from textbcs.archives.ledger import ledger
from textbcs.base.io import NONE, read_csv
from textbcs.cohort.listing import Listing, choose_cohort
from textbcs.imaging.dicom import read_grid, read_header_or_reason, read_series
from textbcs.imaging.planes import SeriesError
from textbcs.intake.dicom_gdcm import PLUGIN, decode
from textbcs.intake.series_uids import part_number

COHORT: dict[str, Any] = {
    "source": "own", "licence": "none", "doi": "", "patients": [], "exclude": [], "visit": "first",
    "series": NONE, "phases": ["post1"], "descriptions": {"post1": "1 min"}, "spacing_tolerance": 0.05,
}  # fmt: skip
TOLERANCE = 0.05


def single_frames(folder: Path, rng: Generator) -> str:
    """A damaged slice of a series."""
    syntax = str(rng.choice(NATIVE))
    return _trial(folder, list(series(OTHER, syntax, 2)), rng)


def compressed(folder: Path, rng: Generator) -> str:
    """A damaged slice whose pixels, or all of which, are compressed."""
    return _trial(folder, list(series(OTHER, str(rng.choice(PACKED)), 2)), rng)


def jpeg(folder: Path, rng: Generator) -> str:
    """A damaged slice, or enhanced file, in JPEG 2000 or JPEG Lossless."""
    syntax = str(rng.choice(JPEG))
    several = rng.random() < 0.3
    files = [enhanced(OTHER, syntax, 2)] if several else list(series(OTHER, syntax, 2))
    return _trial(folder, files, rng)


def many_frames(folder: Path, rng: Generator) -> str:
    """A damaged enhanced file."""
    return _trial(folder, [enhanced(OTHER, str(rng.choice([*NATIVE[:2], *PACKED])), 2)], rng)


def _trial(folder: Path, files: list[bytes], rng: Generator) -> str:
    place = int(rng.integers(len(files)))
    change = damaged if rng.random() < 0.5 else altered
    files[place] = change(files[place], rng)
    write_good(folder)
    own = folder / "b"
    own.mkdir()
    for number, content in enumerate(files, start=1):
        (own / f"IM{number:04d}.dcm").write_bytes(content)
    return judge_folder(folder, own / f"IM{place + 1:04d}.dcm", bool(rng.random() < 0.2))


def write_good(folder: Path) -> None:
    """The patient with nothing wrong."""
    (folder / "a").mkdir()
    for number, content in enumerate(series(GOOD, NATIVE[1], 1), start=1):
        (folder / f"a/IM{number:04d}.dcm").write_bytes(content)


def judge_folder(folder: Path, damaged_file: Path, thorough: bool) -> str:
    """List a folder and read what is used; the reason where the damaged file is not.

    With `thorough`, the tables are written and read again, and the other patient's images are read.
    """
    header = read_header_or_reason(damaged_file)
    if isinstance(header, str):
        check_line(header)
    archive, found, listing = listed(folder, thorough)
    check_patient_goes_on(found, listing, thorough)
    words = []
    for one in found:
        reason = listing.left_out.get(one.first.series_uid, "")
        if reason:
            check_line(reason)
        if one.first.modality != "SEG" and one.first.patient != GOOD:
            words.append(_read(folder, one, reason))
    fault = next((word for word in words if word), "")
    reasons = dict(archive.unused())
    return fault or reasons.get(damaged_file, "")


def listed(folder: Path, thorough: bool) -> tuple[FolderArchive, list[Series], Listing]:
    """A folder as the stage `cohort` lists it, with tables that come back as they were written."""
    cohort = COHORT | {"kind": "folder", "archive": str(folder)}
    archive = FolderArchive({"cohort": cohort})
    found = archive.series(iter)
    listing = choose_cohort(found, cohort)
    table = ledger(archive, found, listing.left_out)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.dcm"))
    check(sorted(set(table["file"])) == files, f"files {files}, counted {sorted(table['file'])}")
    for used, reason in zip(table["used"], table["reason"], strict=True):
        check(used == "yes" or reason, "a file is neither used nor has it a reason")
        check(not reason or len(reason.splitlines()) == 1, f"several lines: {reason!r}")
    if thorough:
        tables = {"series": listing.series, "patients": listing.patients, "files": table}
        for name, one in tables.items():
            _check_comes_back(folder / f"{name}.csv", one)
    for patient, fault in zip(
        listing.patients["patient"], listing.patients["excluded"], strict=True
    ):
        check(fault or PATIENT.fullmatch(patient), f"patient {patient!r} is no plain name")
        check(not fault or len(fault.splitlines()) == 1, f"several lines: {fault!r}")
    return archive, found, listing


def _check_comes_back(path: Path, table: Any) -> None:
    """WrongError where a table, once written, is read as another one."""
    path.write_bytes(table.to_csv(index=False, lineterminator="\n").encode())
    back = read_csv(path, dtype=dict.fromkeys(table.columns, str)).fillna("")
    same = back.astype(str).to_numpy().tolist() == table.astype(str).to_numpy().tolist()
    check(same, f"{path.name} comes back otherwise")
    path.unlink()


def check_patient_goes_on(found: Sequence[Series], listing: Listing, thorough: bool) -> None:
    """WrongError where the damaged file of another patient costs the good one anything."""
    patients = listing.patients.set_index("patient")["excluded"]
    check(patients.get(GOOD) == "", f"the other patient: {patients.get(GOOD, 'not listed')}")
    own = [one for one in found if one.first.patient == GOOD]
    check(len(own) == 1 and own[0].instances == SHAPE[0], "the other patient has other files")
    paths = [Path(header.path) for header in own[0].headers]
    if thorough:
        check_equal(read_series(paths, TOLERANCE).volume.array, _good(), "the other patient")


@lru_cache
def _good() -> np.ndarray:
    files = [pydicom.dcmread(BytesIO(content)) for content in series(GOOD, NATIVE[1], 1)]
    return np.stack([2.0 * one.pixel_array - 10 for one in files])


def _read(folder: Path, one: Series, reason: str) -> str:
    """Read a series with whatever reason against it: the reason, or the line of the reader."""
    paths = [Path(header.path) for header in one.headers]
    phase = part_number(one.first.series_uid)
    names = [str(path) for path in paths]
    reading = (SeriesError,)
    grid, line = tried(lambda: read_grid(paths, TOLERANCE, phase), names, reading)
    stack, later = tried(lambda: read_series(paths, TOLERANCE, phase=phase), names, reading)
    check(not (stack and line), f"read, though its grid is refused: {line}")
    if stack is not None and grid is not None and phase == 0:
        check_equal(stack.grid.affine, grid.affine, "two affines")
        array, affine = expected(paths)
        check_equal(stack.volume.affine, affine, "affine", 1e-3)
        check_equal(stack.volume.array, array, "voxels", 1e-5)
    if not reason and one.first.modality == "MR" and POST in one.first.description:
        check(not line, f"listed as usable, but {line}")
    return reason or line or later


def expected(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The volume (z, y, x) and LPS affine of files by pydicom and nibabel."""
    frames = [
        frame
        for path in paths
        for frame in _frames(pydicom.dcmread(BytesIO(path.read_bytes()), force=True))
    ]
    cosines = np.asarray(frames[0][1], float).reshape(2, 3)
    normal = np.cross(cosines[0], cosines[1])
    frames.sort(key=lambda frame: float(np.dot(frame[0], normal)))
    array = np.stack([frame[3] for frame in frames])
    outside = np.stack([frame[4] for frame in frames])
    if outside.any() and not outside.all():
        array[outside] = array[~outside].min()
    first, last = np.asarray(frames[0][0], float), np.asarray(frames[-1][0], float)
    spacing = [float(one) for one in frames[0][2]]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = cosines[0] * spacing[1], cosines[1] * spacing[0]
    affine[:3, 2], affine[:3, 3] = (last - first) / max(len(frames) - 1, 1), first
    # nibabel's axes run to R, A, S; those of LPS are the same with the first two turned.
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1, -1, 1, 1]) @ affine)
    turned = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt("LPS")
    )
    image = image.as_reoriented(turned)
    return image.get_fdata().transpose(2, 1, 0), np.diag([-1, -1, 1, 1]) @ image.affine


def _frames(dataset: pydicom.Dataset) -> list[tuple[Any, Any, Any, np.ndarray, np.ndarray]]:
    """Position, orientation, spacing, grey values and what lies outside, of every frame."""
    dataset.add_new("SamplesPerPixel", "US", 1)  # what has more is not read
    for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
        if keyword in dataset:
            del dataset[keyword]
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        syntaxes = (ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        dataset.file_meta.TransferSyntaxUID = syntaxes[bool(little) + bool(implicit)]
    pixels = _unpacked(dataset)
    stored = pixels if pixels.ndim == 3 else pixels[None]
    outside = _outside(dataset, stored)
    values = stored.astype(np.float64)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        bits = int(dataset.BitsStored)
        values = (-1 if dataset.PixelRepresentation else 2**bits - 1) - values
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    found = []
    for number, plane in enumerate(values):
        find = _finder(dataset, groups[number] if groups else None)
        slope = find("PixelValueTransformationSequence", "RescaleSlope")
        intercept = find("PixelValueTransformationSequence", "RescaleIntercept")
        scaled = plane * float(1 if slope is None else slope)
        scaled = scaled + float(0 if intercept is None else intercept)
        place = find("PlanePositionSequence", "ImagePositionPatient")
        turned = find("PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = find("PixelMeasuresSequence", "PixelSpacing")
        found.append((place, turned, spacing, scaled, outside[number]))
    return found


def _unpacked(dataset: pydicom.Dataset) -> np.ndarray:
    """pydicom's pixels; GDCM, which may end its process, only where nothing else unpacks them."""
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID) if _is_packed(dataset) else None
    others = [one for one in decoder.available_plugins if one != PLUGIN] if decoder else []
    if others:
        dataset.pixel_array_options(decoding_plugin=others[0])
        # As text it is the same number; pydicom minds it here and nowhere else.
        dataset.add_new("PixelRepresentation", "US", int(dataset.PixelRepresentation))
    if decoder is None or others:
        return np.asarray(dataset.pixel_array)
    frames = int(dataset.get("NumberOfFrames") or 1)
    facts = {
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "number_of_frames": frames,
        "samples_per_pixel": 1,
        "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.BitsStored),
        "pixel_representation": int(dataset.PixelRepresentation),
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB",
    }
    return decode(dataset.PixelData, str(dataset.file_meta.TransferSyntaxUID), facts)


def _is_packed(dataset: pydicom.Dataset) -> bool:
    return UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated


def items(dataset: pydicom.Dataset, keyword: str) -> list[pydicom.Dataset]:
    """The items of a sequence, none where it is missing or no sequence."""
    try:
        value = dataset.get(keyword)
    except Exception:  # pydicom cannot take it apart
        return []
    return list(value) if isinstance(value, pydicom.Sequence) else []


def _finder(dataset: pydicom.Dataset, own: pydicom.Dataset | None) -> Callable[[str, str], Any]:
    """Finds an element of a frame: in its functional groups, those of all, or the file itself."""

    def find(group: str, keyword: str) -> Any:
        """An element's value, None where there is none."""
        if own is None:
            return dataset.get(keyword) if dataset.get(keyword) != "" else None
        shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
        for holder in (own, *shared):
            if found := items(holder, group):
                value = found[0].get(keyword)
                return None if value == "" else value
        return None

    return find


def _outside(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """Which stored values are padding."""
    bits = int(dataset.BitsAllocated)
    ends: list[int] = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        try:
            number = float(dataset[keyword].value)
        except Exception:  # there is none, or pydicom cannot convert it
            number = np.nan
        if number.is_integer() and (ends or keyword == "PixelPaddingValue"):
            ends.append(int(number) % 2**bits)
    if not ends or set(ends) == {0}:
        return np.zeros(stored.shape, bool)
    if dataset.PixelRepresentation:
        ends = [one - 2**bits if one >= 2 ** (bits - 1) else one for one in ends]
    return np.asarray((stored >= min(ends)) & (stored <= max(ends)))
