"""Attributes of a slice's lesions, measured on its mask.

The paper's prompts were written by two radiologists and are not public (TextBCS §4.1), so ours are
derived from the mask by fixed rules. They leak facts of the answer; reports say so. The rules' values
are parameters of `prompts`; the size classes are tertiles of the *train* slices' lesion areas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, number_word
from textbcs.imaging.geometry import minimum_pixels

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Lesions:
    """What a mask says of its lesions.

    Attributes:
        area_mm2: total area of the counted components.
        number: components of at least the stated area.
        solidity: area of the largest component over that of its convex hull, in (0, 1].
        eccentricity: of the ellipse with the largest component's second moments, in [0, 1).
    """

    area_mm2: float
    number: int
    solidity: float
    eccentricity: float


def measure_lesions(
    mask: "np.ndarray", spacing_mm: tuple[float, float], minimum_component_mm2: float
) -> Lesions | None:
    """Measure the lesions of one slice.

    Args:
        mask: (H, W), non-zero inside lesions.
        spacing_mm: row and column spacing of the grid.
        minimum_component_mm2: smaller 8-connected components are not counted.

    Returns:
        The facts, or None where no component is large enough.
    """
    from skimage.measure import label, regionprops

    least = minimum_pixels(minimum_component_mm2, spacing_mm)
    regions = [
        region for region in regionprops(label(mask != 0, connectivity=2)) if region.area >= least
    ]
    if not regions:
        return None
    # Ties go to the component that comes first in reading order, so the choice is deterministic.
    largest = max(regions, key=lambda region: (region.area, -region.label))
    return Lesions(
        area_mm2=float(sum(region.area for region in regions) * spacing_mm[0] * spacing_mm[1]),
        number=len(regions),
        solidity=float(largest.solidity),
        eccentricity=float(largest.eccentricity),
    )


class Outline(Protocol):
    """What has been measured of an outline: a slice's, or a case's largest cross-section."""

    @property
    def solidity(self) -> float: ...

    @property
    def eccentricity(self) -> float: ...


def shape_word(
    lesions: Outline, irregular_below_solidity: float, ellipse_above_eccentricity: float
) -> str:
    """`irregular` where the outline is not convex, else `ellipse` where elongated, else `round`."""
    if lesions.solidity < irregular_below_solidity:
        return "irregular"
    return "ellipse" if lesions.eccentricity > ellipse_above_eccentricity else "round"


def size_thresholds(sizes: Sequence[float]) -> tuple[float, float]:
    """The two tertiles of lesion areas (mm²) or volumes (mm³), to be fitted on train only."""
    import numpy as np

    low, high = np.quantile(np.asarray(sizes, dtype=np.float64), [1 / 3, 2 / 3])
    return float(low), float(high)


def size_word(size: float, thresholds: tuple[float, float]) -> str:
    """`small` up to the lower tertile, `medium` up to the upper, `large` beyond."""
    return VOCABULARY["size"][sum(size > limit for limit in thresholds)]


def derive_prompt(
    lesions: Lesions, side: str, thresholds: tuple[float, float], rules: Mapping[str, Any]
) -> Prompt:
    """The prompt of a slice.

    Args:
        lesions: measured facts.
        side: `left` or `right`, as `cohort.sides` means them; "" where nothing has a side.
        thresholds: tertiles of area in mm².
        rules: `irregular_below_solidity` and `ellipse_above_eccentricity`.
    """
    shape = shape_word(
        lesions, rules["irregular_below_solidity"], rules["ellipse_above_eccentricity"]
    )
    return Prompt(side, shape, size_word(lesions.area_mm2, thresholds), number_word(lesions.number))
