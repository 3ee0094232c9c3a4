"""Which slice stands for many: the order of Dice and its median, written once for all who show one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


Item = TypeVar("Item")


def by_dice(slices: "pd.DataFrame") -> list[int]:
    """Index labels of a table with `dice` and `slice_id`, lowest Dice first, ties by slice name."""
    order = slices.sort_values(["dice", "slice_id"], kind="stable").index
    return [int(place) for place in order]


def middle(order: Sequence[Item]) -> Item:
    """The median of an ordered sequence; of an even number the lower of the two in the middle.

    Raises:
        IndexError: the sequence is empty.
    """
    return order[(len(order) - 1) // 2]


def mask_dice(predicted: NDArray[np.bool_], reference: NDArray[np.generic]) -> float:
    """Dice of two masks, 2 |P and T| / (|P| + |T|), NaN where both are empty.

    For the choice of what is shown. What is reported is `evaluation.metrics.overlap`'s: a change there must
    run no network again.
    """
    there = np.asarray(reference) > 0
    size = int(predicted.sum()) + int(there.sum())
    return 2 * int((predicted & there).sum()) / size if size else float("nan")
