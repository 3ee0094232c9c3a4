"""A study and a package in, an outline out: the mask, how sure the network is, and reasons to doubt it.

The network works on a square grid. A mask that goes there and back changes only at voxels within one and a
half square pixels of its outline, along rows or columns: no place further inside is lost, none further
outside won.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.volume_store import native_spacing_of, spacing_of, voxel_mm3
from textbcs.evaluation.volumes.patient_scores import to_native
from textbcs.outline.chosen_prompt import (
    ChosenPrompt,
    PromptWish,
    StatedPrompt,
    choose_prompt,
    needs_first_pass,
)
from textbcs.outline.contradictions import contradictions
from textbcs.outline.measurements import Measurements, measure
from textbcs.outline.prediction import (
    Maps,
    ask_package,
    batches_of,
    calibrated,
    to_native_grid,
)
from textbcs.package.reading import Package
from textbcs.slices.case_lesions import Case, measure_case
from textbcs.slices.resize import SquareGrid
from textbcs.slices.volume_cutting import whole_volume
from textbcs.study.acquisition import unlike, unstated
from textbcs.study.reading import Study
from textbcs.volumes.coded_maps import Codes
from textbcs.volumes.operating_point import apply

# Conventions, not fitted: above them an outline is called doubtful.
MOST_VACUITY = 0.5  # less than half of the belief is backed by evidence
MOST_ENTROPY_BITS = 0.75  # as unsure as a probability of 0.79


@dataclass(frozen=True)
class Uncertainty:
    """How sure the network is of what it outlined, as means over the outline's voxels.

    Attributes:
        mean_vacuity: None for a head without evidence, or where nothing is outlined.
        mean_entropy_bits: of the calibrated probability; None where nothing is outlined.
    """

    mean_vacuity: float | None
    mean_entropy_bits: float | None


@dataclass(frozen=True)
class Outline:
    """What a package says of a study, on the study's LPS grid.

    Attributes:
        study, package: of what, by what.
        prompt: that was used.
        codes: (z, S, S), the coded probability on the square grid, as `results/volumes` holds it.
        mask: (z, y, x).
        probability: (z, y, x) float32, calibrated.
        vacuity: (z, y, x) float32; None for a head without evidence.
        measurements, uncertainty: of the mask.
        doubts: reasons not to rely on it, a sentence each.
        notes: what else a person should know.
    """

    study: Study
    package: Package
    prompt: ChosenPrompt
    codes: Codes
    mask: NDArray[np.bool_]
    probability: NDArray[np.float32]
    vacuity: NDArray[np.float32] | None
    measurements: Measurements
    uncertainty: Uncertainty
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def steps_of(slices: int, stated: StatedPrompt, package: Package) -> int:
    """How often `draw` calls `done` for a study of so many slices."""
    return batches_of(slices) * (2 if needs_first_pass(stated, package) else 1)


def draw(
    study: Study,
    package: Package,
    stated: StatedPrompt,
    wish: PromptWish,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> Outline:
    """Outline what a package finds in a study.

    Args:
        study: as it was read.
        package: a checked package.
        stated: what `read_prompt` read of the user's words.
        wish: those words.
        jobs: most processes that work at once; changes no byte.
        done: called `steps_of` times.

    Raises:
        InputError: the package cannot be used after all.
    """
    volume = whole_volume(study.patient, dict(package.slices), package.sides)
    image, facts = volume.image, volume.facts
    first = None
    if needs_first_pass(stated, package):
        first = ask_package(package, image, "", first=True, jobs=jobs, done=done).codes
    prompt = choose_prompt(stated, wish, package, image, facts, first)
    maps = ask_package(package, image, prompt.text, jobs=jobs, done=done)
    return outlined(study, package, prompt, maps, facts)


def outlined(
    study: Study, package: Package, prompt: ChosenPrompt, maps: Maps, facts: Mapping[str, Any]
) -> Outline:
    """What a network's maps of a study come to.

    Args:
        study, package: of what, by what.
        prompt: that was used.
        maps: on the square grid.
        facts: the volume's, as `slices.volume_cutting` gives them.
    """
    codes = maps.codes
    findings = apply(codes, package.point, voxel_mm3(facts))
    mask = to_native(findings, facts)
    grid = SquareGrid(study.grid.shape[1:], native_spacing_of(facts)[1:], int(facts["size"]))
    probability, unsure = _native(maps, grid, package.temperature)
    column = _native_column(grid, facts["midline_col"])
    uncertainty = _uncertainty(mask, probability, unsure)
    case = _case(findings, spacing_of(facts), facts["midline_col"], package)
    doubts = [
        *study.doubts,
        *unlike(study.acquisition, package.training),
        *_prompt_doubts(prompt, case, package),
        *_unsure(uncertainty),
    ]
    notes = [
        *study.files.warnings,
        *unstated(study.acquisition, package.training),
        *(one for one in prompt.warnings if one not in doubts),
    ]
    return Outline(
        study=study,
        package=package,
        prompt=prompt,
        codes=codes,
        mask=mask,
        probability=probability,
        vacuity=unsure,
        measurements=measure(
            mask, study.grid.affine, package.minimum_lesion_mm3, column, package.sides
        ),
        uncertainty=uncertainty,
        doubts=tuple(doubts),
        notes=tuple(notes),
    )


def _native(
    maps: Maps, grid: SquareGrid, temperature: float
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Calibrated probability and vacuity on the native grid."""
    probability = to_native_grid(calibrated(maps.probability, temperature), grid)
    return probability, None if maps.vacuity is None else to_native_grid(maps.vacuity, grid)


def _native_column(grid: SquareGrid, square: float) -> float:
    """Fractional native column of a fractional square one."""
    start = grid.column(0.0)
    return (square - start) / (grid.column(1.0) - start)


def _case(
    findings: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    midline: float,
    package: Package,
) -> Case | None:
    """The outline's lesions as a reader would describe them; where all are small they count all the same."""
    own = (findings, spacing_mm, midline)
    found = measure_case(*own, package.minimum_lesion_mm3, package.sides)
    return found or measure_case(*own, 0.0, package.sides)


def _uncertainty(
    mask: NDArray[np.bool_],
    probability: NDArray[np.float32],
    unsure: NDArray[np.float32] | None,
) -> Uncertainty:
    if not mask.any():
        return Uncertainty(None, None)
    inside = probability[mask].astype(np.float64)
    parts = np.stack([inside, 1 - inside])
    bits = -(parts * np.log2(np.where(parts > 0, parts, 1))).sum(axis=0)
    vacuity = None if unsure is None else round(float(unsure[mask].mean(dtype=np.float64)), 6)
    return Uncertainty(vacuity, round(float(bits.mean()), 6))


def _prompt_doubts(prompt: ChosenPrompt, case: Case | None, package: Package) -> list[str]:
    """What speaks against the prompt: the detector, and the outline itself."""
    told = []
    if prompt.examination is not None and prompt.examination.rejected:
        told.append(
            next(one for one in prompt.warnings if one.startswith(prompt.examination.reason))
        )
    thresholds, rules = package.thresholds_mm3, package.rules
    return told + contradictions(prompt.text, prompt.source, case, thresholds, rules)


def _unsure(found: Uncertainty) -> list[str]:
    """What the network's own uncertainty says."""
    told = []
    if found.mean_vacuity is not None and found.mean_vacuity > MOST_VACUITY:
        told.append(
            f"the network has little evidence for the outline: mean vacuity {found.mean_vacuity:.2f}, "
            f"above {MOST_VACUITY}"
        )
    if found.mean_entropy_bits is not None and found.mean_entropy_bits > MOST_ENTROPY_BITS:
        told.append(
            f"the network is unsure of the outline: mean entropy {found.mean_entropy_bits:.2f} bits, "
            f"above {MOST_ENTROPY_BITS}"
        )
    return told
