"""Which slice stands for many: the order of Dice and its median, written once for all figures.

Pure functions; read and write no file.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

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
