"""Facts of a slice's mask that a prompt may give away, each as one of a few classes.

What a segmentation needs to know before it looks, and no more classes than some hundred slices can fill:

- `side`: the half of the image in which more of the mask lies (2): the largest single gain, since half of
  all other enhancing tissue is out of the question then;
- `area`: thirds of the mask's area (3): how much there is to find;
- `number`: one component or more (2): whether to look on after the first;
- `outline`: solid or not, by the median solidity of the largest component (2);
- `depth`: thirds of the row of the mask's centroid (3), front to back: no word of the grammar speaks of it,
  so what a prompt tells of it comes from the other facts: it is what a leak by the way looks like.

Thirds and medians are those of the slices that the prior learns from. `all` is the first three together, of
which the grammar has words: 12 classes. All five would be 72, and some hundred slices, of fewer patients,
cannot fill the pairs of those with as many prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.prompts.derive import measure_lesions

ALL = "all"
FACTS = ("side", "area", "number", "outline", "depth")
_TOGETHER = 3  # of them in `all`


@dataclass(frozen=True)
class Measured:
    """What is measured on a mask.

    Attributes:
        side: -1 or 1, the half with lower or higher columns; 0 where nothing divides the image.
        area_mm2: of the whole mask.
        number: components of at least the stated area, at least 1.
        solidity: of the largest component.
        row: of the centroid, as a share of the height.
    """

    side: int
    area_mm2: float
    number: int
    solidity: float
    row: float


@dataclass(frozen=True)
class Limits:
    """Where classes end: two thirds of area and row, one median of solidity."""

    area_mm2: tuple[float, ...]
    row: tuple[float, ...]
    solidity: tuple[float, ...]


def measure(
    mask: NDArray[np.generic],
    spacing_mm: tuple[float, float],
    middle_column: float,
    minimum_component_mm2: float,
) -> Measured:
    """Measure a mask (H, W) that is not empty.

    Args:
        mask: non-zero inside lesions.
        spacing_mm: row and column spacing.
        middle_column: what divides the image into halves; NaN: nothing does.
        minimum_component_mm2: smaller 8-connected components do not count, unless all are smaller.
    """
    there = np.asarray(mask) != 0
    lesions = measure_lesions(there, spacing_mm, minimum_component_mm2)
    lesions = lesions or measure_lesions(there, spacing_mm, 0.0)
    assert lesions is not None  # the mask is not empty
    columns, rows = there.sum(axis=0), there.sum(axis=1)
    beyond = int(columns[np.arange(len(columns)) > middle_column].sum())
    side = 0 if middle_column != middle_column else 1 if 2 * beyond > int(columns.sum()) else -1
    return Measured(
        side=side,
        area_mm2=float(columns.sum() * spacing_mm[0] * spacing_mm[1]),
        number=lesions.number,
        solidity=lesions.solidity,
        row=float((rows * np.arange(len(rows))).sum() / rows.sum() / len(rows)),
    )


def fit_limits(measured: Sequence[Measured]) -> Limits:
    """Thirds and medians of the masks of n > 0 slices."""

    def parts(values: list[float], shares: list[float]) -> tuple[float, ...]:
        return tuple(float(value) for value in np.quantile(np.asarray(values), shares))

    thirds = [1 / 3, 2 / 3]
    return Limits(
        area_mm2=parts([one.area_mm2 for one in measured], thirds),
        row=parts([one.row for one in measured], thirds),
        solidity=parts([one.solidity for one in measured], [1 / 2]),
    )


def classes(one: Measured, limits: Limits) -> dict[str, tuple[int, ...]]:
    """The class of each of `FACTS`, and of `all`."""

    def place(value: float, ends: tuple[float, ...]) -> int:
        return sum(value > end for end in ends)

    found = (
        one.side,
        place(one.area_mm2, limits.area_mm2),
        int(one.number > 1),
        place(one.solidity, limits.solidity),
        place(one.row, limits.row),
    )
    return {name: (value,) for name, value in zip(FACTS, found, strict=True)} | {
        ALL: found[:_TOGETHER]
    }
