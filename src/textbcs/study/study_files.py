"""The phases of a new study as files: what is found before any voxel is read."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from textbcs.base.io import InputError, sha256_file
from textbcs.imaging.dicom import Grid, Header, Stack
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_grid, read_series
from textbcs.intake.spelling import hint, short
from textbcs.settings.data import Phase

if TYPE_CHECKING:
    from textbcs.package.reading import Package

DICOM, VOLUME_FILE = "dicom", "volume file"
PRE, FIRST_POST, SUBTRACTION = "pre", "post1", "sub"


@dataclass(frozen=True)
class Wish:
    """Which image of a study is wanted.

    Attributes:
        shown: the phase that the network is shown, `sub` for post1 less pre (`slices.phase`).
        series: phase -> what names its series, as the user says.
        study_uid: of the study that is meant where there are several, "" for the only one.
        descriptions: phase -> regular expression on SeriesDescription (`cohort.descriptions`); None: the
            names of the Duke collection.
        tolerance: share of the median slice distance by which distances may differ.
    """

    shown: str
    series: Mapping[str, str] = field(default_factory=dict)
    study_uid: str = ""
    descriptions: Mapping[str, str] | None = None
    tolerance: float = 0.05

    @classmethod
    def of(cls, package: "Package", series: Sequence[str] = (), study_uid: str = "") -> "Wish":
        """What a package wants, and what the user typed behind `--series` and `--study`.

        Raises:
            InputError: as `read_wishes`.
        """
        shown, rules = str(package.slices["phase"]), package.series
        wishes = read_wishes(series, shown)
        tolerance = float(rules["spacing_tolerance"])
        return cls(shown, wishes, study_uid, rules["descriptions"], tolerance)


@dataclass(frozen=True)
class PhaseFiles:
    """One phase of a study.

    Attributes:
        phase: `pre`, `post1` and so on.
        name: what names it for `--series`: its series UID, or the number of the volume in its file.
        paths: its files.
        tolerance: as `Wish` has it.
        part: which phase of files that hold several, from 1; 0: the only one.
        first: header of one of its files; None of a volume file.
    """

    phase: str
    name: str
    paths: tuple[Path, ...]
    tolerance: float
    part: int = 0
    first: Header | None = None

    def grid(self) -> Grid:
        """Its LPS grid, from headers alone; InputError where it makes no volume."""
        try:
            return read_grid(self.paths, self.tolerance, self.part)
        except SeriesError as error:
            raise self._no_volume(error) from error

    def stack(self) -> Stack:
        """Its voxels; InputError where a file is damaged or it makes no volume."""
        try:
            return read_series(self.paths, self.tolerance, None, self.part)
        except SeriesError as error:
            raise self._no_volume(error) from error

    def _no_volume(self, error: SeriesError) -> InputError:
        return InputError(
            f"{self.paths[0]}: {self.phase}: {error}; choose another series with --series"
        )


@dataclass(frozen=True)
class StudyFiles:
    """What was found of a study.

    Attributes:
        path: as the user wrote it.
        kind: `DICOM` or `VOLUME_FILE`.
        shown: the phase that the network is shown, `sub` for post1 less pre.
        phases: every phase that was found, by name.
        warnings: what a person should know of the choice.
    """

    path: Path
    kind: str
    shown: str
    phases: Mapping[str, PhaseFiles]
    warnings: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[PhaseFiles, ...]:
        """The phases that make the image: the one that gives the grid, then one to subtract if any."""
        return tuple(self.phases[name] for name in needed_phases(self.shown))

    def fingerprint(self) -> str:
        """SHA-256 over the content of the files that make the image, whatever they are called."""
        told = [self.shown]
        for one in self.needed:
            told += [f"{one.phase} {one.part}", *sorted(sha256_file(path) for path in one.paths)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def needed_phases(shown: str) -> tuple[str, ...]:
    """The phases that the image of `slices.phase` is made of."""
    return (FIRST_POST, PRE) if shown == SUBTRACTION else (shown,)


def read_wishes(texts: Sequence[str], shown: str) -> dict[str, str]:
    """What `--series` says: phase -> name of a series.

    Args:
        texts: each `NAME`, which is the phase that gives the grid, or `PHASE=NAME`.
        shown: `slices.phase` of the package.

    Raises:
        InputError: an unknown phase, or one that is named twice.
    """
    phases = get_args(Phase)
    wishes: dict[str, str] = {}
    for text in texts:
        phase, sign, name = text.rpartition("=")
        phase = phase.strip().lower() if sign else needed_phases(shown)[0]
        if phase not in phases:
            words = hint(phase, phases) or f"there are {', '.join(phases)}"
            raise InputError(f"--series {short(text)}: {short(phase)} is no phase; {words}")
        if phase in wishes:
            raise InputError(f"--series: names {phase} twice; remove one")
        wishes[phase] = name.strip()
    return wishes


def missing_phase(found: Mapping[str, object], shown: str) -> str:
    """Why the phases that were found are not enough, in words; "" if they are."""
    words = {PRE: "no pre-contrast series", FIRST_POST: "no first post-contrast series"}
    for phase in needed_phases(shown):
        if phase not in found:
            return words.get(phase, f"no series of phase {phase}")
    return ""
