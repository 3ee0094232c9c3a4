"""Where a tumour mask can come from: the sources of `masks.sources`.

A source says for a patient which masks it has, without reading any; the stage takes what the first
source has that has one. Sources read the raw DICOM files and, below `masks.nifti_directory`, NIfTI and
NRRD masks; they write nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.archives.incoming import RAW
from textbcs.base.io import InputError, sha256_file
from textbcs.cohort.cohort_tables import FILES
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import spacing
from textbcs.imaging.segmentation import read_segmentation
from textbcs.imaging.series_volumes import read_series
from textbcs.intake.folder_walk import LINKED
from textbcs.intake.series_uids import part_number, whole_uid
from textbcs.masks.boxes import Place
from textbcs.masks.fitting import MisfitError, fit_segmentation, fit_volume
from textbcs.masks.mask_files import PATIENT, MaskFiles, Named, match_files
from textbcs.masks.nifti_masks import read_join, read_nifti_mask
from textbcs.masks.region_growing import grow

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

Mask = NDArray[np.uint8]
BOX_RULES = ("level", "peak_percentile", "margin_mm", "smallest_mm3")


@dataclass(frozen=True)
class Subject:
    """A patient as a source sees her.

    Attributes:
        patient: identifier.
        series, files: her rows of series.csv and files.csv.
        grid: the LPS grid of her first post-contrast series, on which masks are wanted.
        place: where her annotation box lies, or why there is none.
    """

    patient: str
    series: "pd.DataFrame"
    files: "pd.DataFrame"
    grid: Grid
    place: Place | str

    def paths(self, series_uid: str) -> list[Path]:
        """The raw files of one of her series."""
        return [RAW / path for path in self._rows(series_uid)["path"]]

    def hashes(self, series_uid: str) -> list[str]:
        """Their recorded hashes, in the same order."""
        return list(self._rows(series_uid)["sha256"])

    def phase(self, name: str) -> str:
        """Series UID of a phase.

        Raises:
            InputError: it was not fetched.
        """
        found = self.series.loc[self.series["phase"] == name, "series_uid"]
        if found.empty:
            raise InputError(f"{FILES}: patient {self.patient} has no series of phase {name}")
        return str(found.iloc[0])

    def image_series(self) -> tuple[set[str], set[str]]:
        """UIDs of her MR series of the study that is used, and of her other studies."""
        images = self.series[self.series["modality"] == "MR"]
        study = images.loc[images["phase"] == "post1", "study_uid"]
        here = images["study_uid"].isin(study)
        uids = images["series_uid"].astype(str).map(whole_uid)
        return set(uids[here]), set(uids[~here])

    def _rows(self, series_uid: str) -> "pd.DataFrame":
        """The rows of files.csv of one of her series; InputError where there is none."""
        own = self.files[self.files["series_uid"] == series_uid]
        if own.empty:
            raise InputError(
                f"{FILES}: lists no file of series {series_uid}; run the download again"
            )
        return own


@dataclass(frozen=True)
class Found:
    """A mask that a source has for a patient.

    Attributes:
        source: value of the column `source`: expert, reviewed, ai or box.
        origin: UID of the SEG series, the file below the source's folder, or `box`.
        where: what to name in a message.
        read: gives the mask on the subject's grid; may raise MisfitError, SeriesError and, for what
            is no fault of the mask, InputError.
    """

    source: str
    origin: str
    where: str
    read: Callable[[], Mask]


@dataclass(frozen=True)
class Source:
    """An entry of `masks.sources`.

    Attributes:
        find: a patient's masks, in a fixed order.
        missing: why a patient has none of it.
        several: what happens where she has several: `error`, `unite` or `first`.
        files: the files of its folder, None where it has none.
    """

    find: Callable[[Subject], Iterator[Found]]
    missing: Callable[[Subject], str]
    several: str = "error"
    files: MaskFiles | None = None


def open_sources(stage: "Stage", series: "pd.DataFrame", patients: Iterable[str]) -> list[Source]:
    """The entries of `masks.sources`, in order of priority.

    Args:
        stage: the running stage.
        series: series.csv.
        patients: all patients of the cohort, so that every file is known to be somebody's or nobody's.

    Raises:
        InputError: no folder or table of a source, or a file of two patients.
    """
    known = list(patients)
    return [_opened(entry, stage, series, known) for entry in stage.params["masks"]["sources"]]


def _opened(
    entry: Mapping[str, Any], stage: "Stage", series: "pd.DataFrame", patients: list[str]
) -> Source:
    """An entry of `masks.sources`."""
    if entry["kind"] == "nifti":
        return _files(entry, stage, series, patients)
    return (_dicom_seg if entry["kind"] == "dicom_seg" else _box)(entry, stage)


def only(found: Sequence[Found], several: str) -> list[Found]:
    """Which of a patient's masks of one source make hers: all of them, united, or one.

    Raises:
        MisfitError: there are several, and nothing says what they mean.
    """
    if several == "error" and len(found) > 1:
        raise MisfitError(
            f"{len(found)} masks of one source: keep one, or set masks.sources: several to unite or first"
        )
    return list(found[:1] if several == "first" else found)


def _dicom_seg(entry: Mapping[str, Any], stage: "Stage") -> Source:
    """Segmentation series whose description matches, in the order of series.csv."""
    pattern = re.compile(entry["description"])
    max_outside = float(stage.params["masks"]["max_outside"])

    def find(subject: Subject) -> Iterator[Found]:
        """Every object of her segmentation series that the entry describes."""
        rows = subject.series[subject.series["phase"] == "mask"]
        for uid, description in zip(rows["series_uid"], rows["description"], strict=True):
            if pattern.search(str(description)):
                digests = subject.hashes(str(uid))
                for path, digest in zip(subject.paths(str(uid)), digests, strict=True):
                    yield _segment(subject, entry, str(uid), (path, digest), max_outside)

    def missing(subject: Subject) -> str:
        """Whether she has segmentations at all."""
        there = bool((subject.series["phase"] == "mask").any())
        return (
            f"no segmentation is described as {pattern.pattern!r}" if there else "no segmentation"
        )

    return Source(find, missing, entry.get("several", "error"))


def _segment(
    subject: Subject,
    entry: Mapping[str, Any],
    uid: str,
    file: tuple[Path, str],
    max_outside: float,
) -> Found:
    """One segment of a DICOM SEG, read when it is wanted."""
    path, digest = file
    known, others = subject.image_series()

    def read() -> Mask:
        """Read the segment; a fault of the file is one of this mask."""
        if sha256_file(path) != digest:
            raise InputError(f"{path}: is not the file that was recorded; delete it and run again")
        with _faults_of_masks(path):
            segmentation = read_segmentation(path, entry["segment"])
            referred = set(segmentation.referenced_series)
            if referred & others and not referred & known:
                raise MisfitError("the mask was drawn on another study than the one that is used")
            return fit_segmentation(segmentation, subject.grid, known, max_outside)

    return Found(entry["source"], uid, str(path), read)


def _files(
    entry: Mapping[str, Any], stage: "Stage", series: "pd.DataFrame", patients: list[str]
) -> Source:
    """NIfTI and NRRD files of a folder of `masks.nifti_directory`, named after patients or series."""
    masks = stage.params["masks"]
    by_table = entry["join"] == "tcia_series_uid"
    names = read_join(stage.input(masks["nifti_table"])) if by_table else {}
    uids = {str(patient): list(own["series_uid"]) for patient, own in series.groupby("patient")}

    def named(patient: str) -> Named:
        """What her files may be called after."""
        own = tuple(dict.fromkeys(whole_uid(str(uid)) for uid in uids.get(patient, [])))
        found = tuple(dict.fromkeys(names[uid] for uid in own if uid in names))
        return Named(found if by_table else (patient,), own)

    people = {patient: named(patient) for patient in patients}
    folder = Path(masks["nifti_directory"]) / entry["folder"]
    _check_place(Path(masks["nifti_directory"]), folder)
    files = match_files(folder, entry.get("names", PATIENT), people)

    def find(subject: Subject) -> Iterator[Found]:
        """Her files."""
        for path in files.of.get(subject.patient, []):
            yield _file(subject, entry, path, stage, path.relative_to(folder).as_posix())

    def missing(subject: Subject) -> str:
        """What her file should be called."""
        if by_table and not people[subject.patient].patients:
            return "no series is in masks.nifti_table"
        return f"no file {files.names}"

    return Source(find, missing, entry.get("several", "error"), files)


def _check_place(root: Path, folder: Path) -> None:
    """InputError where a source's folder lies behind a link below the folder that DVC watches."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    linked = [root.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    if any(one.is_symlink() for one in linked):
        raise InputError(f"{folder}: lies {LINKED}")


def _file(
    subject: Subject, entry: Mapping[str, Any], path: Path, stage: "Stage", origin: str
) -> Found:
    """A NIfTI or NRRD mask, read when it is wanted."""
    max_outside = float(stage.params["masks"]["max_outside"])

    def read() -> Mask:
        """Read the file; a fault of it is one of this mask."""
        with _faults_of_masks(path):
            volume = read_nifti_mask(stage, path, entry.get("labels"), entry.get("segment"))
            return fit_volume(volume, subject.grid, max_outside)

    return Found(entry["source"], origin, str(path), read)


@contextmanager
def _faults_of_masks(path: Path) -> Iterator[None]:
    """What is wrong with a file as a fault of its patient's mask, without the file's name."""
    try:
        yield
    except InputError as error:
        raise MisfitError(str(error).removeprefix(f"{path}: ")) from error


def _box(entry: Mapping[str, Any], stage: "Stage") -> Source:
    """A mask grown inside the annotation box, for every patient whose box lies in her images."""
    tolerance = float(stage.params["cohort"]["spacing_tolerance"])
    rules = {key: float(entry[key]) for key in BOX_RULES}

    def find(subject: Subject) -> Iterator[Found]:
        """The grown mask, where her box could be located."""
        if isinstance(subject.place, Place):
            yield _grown(subject, entry["source"], subject.place, rules, tolerance)

    def missing(subject: Subject) -> str:
        """Why her box lies nowhere."""
        return f"box: {subject.place}"

    return Source(find, missing)


def _grown(
    subject: Subject, source: str, place: Place, rules: Mapping[str, float], tolerance: float
) -> Found:
    """A mask grown in a box from post1 - pre, made when it is wanted."""

    def read() -> Mask:
        """Read both series and grow the mask; MisfitError where their grids differ."""
        pre, post = (
            read_series(subject.paths(uid), tolerance, subject.hashes(uid), part_number(uid)).volume
            for uid in (subject.phase("pre"), subject.phase("post1"))
        )
        if pre.array.shape != post.array.shape or not np.allclose(
            pre.affine, post.affine, atol=0.05
        ):
            raise MisfitError("pre-contrast and first post-contrast series have different grids")
        enhancement = post.array.astype(np.float32) - pre.array.astype(np.float32)
        step = spacing(post.affine)
        sizes = (float(step[2]), float(step[1]), float(step[0]))
        return grow(enhancement, place.voxels, sizes, **rules)

    return Found(source, "box", f"box of {subject.patient}", read)
