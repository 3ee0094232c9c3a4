"""Which test slices the figures show, by rules on the evaluated rows and never by hand."""

from typing import TYPE_CHECKING

from textbcs.prediction.cases import by_dice, middle

if TYPE_CHECKING:
    import pandas as pd

MEDIAN, SEVERAL = "median", "several lesions"
LOWEST, MISSED, INVENTED = "lowest Dice", "most missed lesions", "most false positive area"
FAILURES = (LOWEST, MISSED, INVENTED)


def choose_cases(slices: "pd.DataFrame") -> dict[str, int]:
    """Rows of the best, the median and the worst tumour slice by Dice; ties by slice name."""
    order = by_dice(slices[slices["kind"] == "tumour"])
    return {"best": order[-1], MEDIAN: middle(order), "worst": order[0]}


def qualitative_cases(slices: "pd.DataFrame") -> dict[str, int]:
    """Places of the cases of Fig. 3: best, median and worst Dice, and several lesions.

    Args:
        slices: rows of the reference method, `slice_id`, `kind`, `dice`, `lesions`.

    Returns:
        Rule -> row. The last case is the slice with most lesions that no other rule chose, ties by
        slice name; it is left out where no further slice has two. Other cases may coincide where there
        are fewer than three tumour slices.
    """
    cases = choose_cases(slices)
    rest = slices[(slices["kind"] == "tumour") & (slices["lesions"] >= 2)]
    rest = rest.drop(index=[row for row in cases.values() if row in rest.index])
    order = rest.sort_values(["lesions", "slice_id"], ascending=[False, True]).index.tolist()
    return cases | ({SEVERAL: int(order[0])} if order else {})


def failure_cases(slices: "pd.DataFrame") -> dict[str, int]:
    """Places of the failures of Fig. 5, each a slice that no earlier rule chose.

    Args:
        slices: rows of one run, `slice_id`, `kind`, `dice`, `true_positive`, `false_positive`,
            `lesions`, `lesions_found`, `reference_mm2` and `false_positive_mm2`.

    Returns:
        Rule -> row, in this order, rules without a slice left out:
        the lowest Dice of a tumour slice on which anything is predicted;
        the missed lesion: most lesions missed, then the greatest lesion area;
        the most false positive area, tumour-free slices among them. Ties go by slice name.
    """
    tumour = slices[slices["kind"] == "tumour"]
    missed = (tumour["lesions"] - tumour["lesions_found"]).rename("missed")
    ranked = {
        LOWEST: tumour[tumour["true_positive"] + tumour["false_positive"] > 0].sort_values(
            ["dice", "slice_id"]
        ),
        MISSED: tumour.assign(missed=missed)[missed > 0].sort_values(
            ["missed", "reference_mm2", "slice_id"], ascending=[False, False, True]
        ),
        INVENTED: slices[slices["false_positive_mm2"] > 0].sort_values(
            ["false_positive_mm2", "slice_id"], ascending=[False, True]
        ),
    }
    cases: dict[str, int] = {}
    for rule, table in ranked.items():
        left = [int(row) for row in table.index if row not in cases.values()]
        if left:
            cases[rule] = left[0]
    return cases
