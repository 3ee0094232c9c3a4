"""What a synthetic patient is drawn from: the settings of `params.phantom` and the random streams.

Each group of facts has its own random stream, so a changed distractor rate leaves every other voxel of
the cohort as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from textbcs.base.io import InputError


@dataclass(frozen=True)
class Settings:
    """The section `phantom` of the parameters; docs/explanation/phantom.md gives the sources of the values.

    Attributes:
        patients: number of patients.
        seed: of everything.
        slices: slices of a volume; `matrix`: its rows and columns.
        post_phases: post-contrast phases beside the pre-contrast one.
        tumours: probability of 1, 2, 3 and 4 tumours.
        diameter_mm: median diameter of a lesion (of the sphere of equal volume), and
            diameter_spread: its geometric standard deviation.
        distractors_contralateral, distractors_ipsilateral: mean number per patient (Poisson).
        enhancement: median peak of a lesion's relative enhancement (S - S0) / S0, and
            enhancement_spread: its geometric standard deviation.
        blur_mm: standard deviation of the blur of a lesion's boundary.
        noise: standard deviation of the noise, 1 being a typical lesion's signal at its peak.
    """

    patients: int
    seed: int
    slices: int
    matrix: int
    post_phases: int
    tumours: tuple[float, ...]
    diameter_mm: float
    diameter_spread: float
    distractors_contralateral: float
    distractors_ipsilateral: float
    enhancement: float
    enhancement_spread: float
    blur_mm: float
    noise: float

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "Settings":
        """Settings of a section `phantom` of the parameters.

        Raises:
            InputError: a key is missing, or the probabilities of `tumours` do not sum to 1.
        """
        missing = [field.name for field in fields(cls) if field.name not in section]
        if missing:
            raise InputError(
                f"params.yaml: phantom.{missing[0]} is missing; see presets/phantom.yaml"
            )
        values = {field.name: section[field.name] for field in fields(cls)}
        values["tumours"] = tuple(float(share) for share in values["tumours"])
        if abs(sum(values["tumours"]) - 1) > 1e-6:
            total = sum(values["tumours"])
            raise InputError(f"params.yaml: phantom.tumours sums to {total:g}; it must sum to 1")
        return cls(**values)


STREAMS = ("facts", "anatomy", "tumours", "contralateral", "ipsilateral", "noise", "reports")


def stream(settings: Settings, index: int, name: str) -> np.random.Generator:
    """The random stream `name` of patient `index` (counted from 1)."""
    sequence = np.random.SeedSequence(settings.seed, spawn_key=(index, STREAMS.index(name)))
    return np.random.Generator(np.random.PCG64(sequence))
