"""What one method scores more than another on the same slices, as means over patients.

The difference is taken slice by slice, then averaged per patient; with several seeds each slice's value
is the mean over them first.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics.intervals import Interval, mean_interval, patient_means
from textbcs.evaluation.statistics.runs import Run, tumour_slices

if TYPE_CHECKING:
    import pandas as pd


def paired_difference(
    first: Sequence[Run],
    second: Sequence[Run],
    bootstrap: Mapping[str, Any],
    column: str = "dice",
) -> Interval:
    """Patient-level mean of `first - second` on the tumour slices, in the column's unit.

    Args:
        first: the runs of one method, one a seed.
        second: those of the other method.
        bootstrap: `resamples` and `seed`.
        column: of the rows per slice; Dice is a fraction.

    Raises:
        ValueError: the two hold different slices.
    """
    ours, theirs = (tumour_slices(runs, [column]) for runs in (first, second))
    return difference_interval(ours, theirs, column, bootstrap)


def difference_interval(
    first: "pd.DataFrame", second: "pd.DataFrame", column: str, bootstrap: Mapping[str, Any]
) -> Interval:
    """The same from two tables with `slice_id`, `patient` and the column.

    Raises:
        ValueError: the two hold different slices.
    """
    table = slice_differences(first, second, column)
    return mean_interval(patient_means(table, "difference"), **bootstrap)


def slice_differences(first: "pd.DataFrame", second: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """`first - second` of each slice: `patient` and `difference`, sorted by slice, which is the index.

    Raises:
        ValueError: the two hold different slices.
    """
    one, two = (table.set_index("slice_id").sort_index() for table in (first, second))
    if not one.index.equals(two.index):
        raise ValueError("a paired difference needs the same slices on both sides")
    return one[["patient"]].assign(difference=one[column] - two[column])
