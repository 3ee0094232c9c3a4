"""Where a tumour mask can come from: the sources of `masks.sources`, one finder for each.

A finder says for a patient which masks its source has, without reading any; the stage takes the first
of the first source that has one. Finders read the raw DICOM files and, below `masks.nifti_directory`,
NIfTI masks; they write nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.archives.incoming import RAW
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import FILES
from textbcs.imaging.dicom import Grid
from textbcs.imaging.geometry import spacing
from textbcs.imaging.segmentation import read_segmentation
from textbcs.imaging.volumes import read_series
from textbcs.masks.boxes import Place
from textbcs.masks.fitting import MisfitError, fit_segmentation, fit_volume
from textbcs.masks.nifti_masks import list_masks, read_join, read_nifti_mask
from textbcs.masks.region_growing import grow

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

Mask = NDArray[np.uint8]
BOX_RULES = ("level", "peak_percentile", "margin_mm", "smallest_mm3")


@dataclass(frozen=True)
class Subject:
    """A patient as a finder sees her.

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
        origin: UID of the SEG series, name of the NIfTI file, or `box`.
        where: what to name in a message.
        read: gives the mask on the subject's grid; may raise MisfitError and InputError.
    """

    source: str
    origin: str
    where: str
    read: Callable[[], Mask]


Finder = Callable[[Subject], Iterator[Found]]


def finders(stage: "Stage") -> list[Finder]:
    """The finders of `masks.sources`, in order of priority."""
    makers = {"dicom_seg": _dicom_seg, "nifti": _nifti, "box": _box}
    return [makers[entry["kind"]](entry, stage) for entry in stage.params["masks"]["sources"]]


def _dicom_seg(entry: Mapping[str, Any], stage: "Stage") -> Finder:
    """Segmentation series whose description matches, in the order of series.csv."""
    pattern = re.compile(entry["description"])
    max_outside = float(stage.params["masks"]["max_outside"])

    def find(subject: Subject) -> Iterator[Found]:
        """Her segmentation series that the entry describes."""
        rows = subject.series[subject.series["phase"] == "mask"]
        known = set(subject.series.loc[subject.series["modality"] == "MR", "series_uid"])
        for uid, description in zip(rows["series_uid"], rows["description"], strict=True):
            if pattern.search(str(description)):
                yield _segment(subject, entry, str(uid), known, max_outside)

    return find


def _segment(
    subject: Subject, entry: Mapping[str, Any], uid: str, known: set[str], max_outside: float
) -> Found:
    """One segment of a DICOM SEG, read when it is wanted."""
    path = subject.paths(uid)[0]

    def read() -> Mask:
        segmentation = read_segmentation(path, entry["segment"])
        return fit_segmentation(segmentation, subject.grid, known, max_outside)

    return Found(entry["source"], uid, str(path), read)


def _nifti(entry: Mapping[str, Any], stage: "Stage") -> Finder:
    """NIfTI files of a folder of `masks.nifti_directory`, joined by patient or by series UID."""
    masks = stage.params["masks"]
    files = list_masks(Path(masks["nifti_directory"]) / entry["folder"])
    by_series = entry["join"] == "tcia_series_uid"
    names = read_join(stage.input(masks["nifti_table"])) if by_series else {}

    def find(subject: Subject) -> Iterator[Found]:
        """Her files: by the series that the join names, or by her own name."""
        own = [names.get(str(uid), "") for uid in subject.series["series_uid"]]
        for name in own if by_series else [subject.patient.lower()]:
            if name in files:
                yield _file(subject, entry["source"], files[name], stage)

    return find


def _file(subject: Subject, source: str, path: Path, stage: "Stage") -> Found:
    """A NIfTI mask, read when it is wanted."""
    max_outside = float(stage.params["masks"]["max_outside"])

    def read() -> Mask:
        return fit_volume(read_nifti_mask(stage, path), subject.grid, max_outside)

    return Found(source, path.name, str(path), read)


def _box(entry: Mapping[str, Any], stage: "Stage") -> Finder:
    """A mask grown inside the annotation box, for every patient whose box lies in her images."""
    tolerance = float(stage.params["cohort"]["spacing_tolerance"])
    rules = {key: float(entry[key]) for key in BOX_RULES}

    def find(subject: Subject) -> Iterator[Found]:
        """The grown mask, where her box could be located."""
        if isinstance(subject.place, Place):
            yield _grown(subject, entry["source"], subject.place, rules, tolerance)

    return find


def _grown(
    subject: Subject, source: str, place: Place, rules: Mapping[str, float], tolerance: float
) -> Found:
    """A mask grown in a box from post1 - pre, made when it is wanted."""

    def read() -> Mask:
        """Read both series and grow the mask; MisfitError where their grids differ."""
        pre, post = (
            read_series(subject.paths(uid), tolerance, subject.hashes(uid)).volume
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
