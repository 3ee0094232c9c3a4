"""An automatic prompt, read off the mask that a first pass without text found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.prompts.derive import Lesions, derive_prompt, measure_lesions
from textbcs.prompts.perturbations import NOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray


def automatic_prompt(
    mask: "NDArray[np.generic]",
    spacing_mm: tuple[float, float],
    midline_column: float,
    minimum_component_mm2: float,
    thresholds: tuple[float, float],
    rules: Mapping[str, Any],
    sides: str = "patient",
) -> str:
    """The prompt that a mask found without text would have, by the rules of `derive`.

    Args:
        mask: (H, W), non-zero where lesions were found.
        spacing_mm: row and column spacing of the grid.
        midline_column: what divides left and right on this grid; the patient's left is at larger columns.
        minimum_component_mm2: smaller components are not counted.
        thresholds: tertiles of area in mm², fitted on train.
        rules: `irregular_below_solidity` and `ellipse_above_eccentricity`.
        sides: `cohort.sides`.

    Returns:
        The prompt, or `NOTHING` where no component counts: there is nothing to say then.
    """
    lesions: Lesions | None = measure_lesions(mask, spacing_mm, minimum_component_mm2)
    if lesions is None:
        return NOTHING
    if sides == "none":
        return derive_prompt(lesions, "", thresholds, rules).text
    # The grammar knows one side: the one on which more was found.
    columns = np.count_nonzero(mask, axis=0)
    is_left = np.arange(len(columns)) > midline_column
    side = "left" if columns[is_left].sum() > columns[~is_left].sum() else "right"
    if sides == "image":
        side = "right" if side == "left" else "left"
    return derive_prompt(lesions, side, thresholds, rules).text
