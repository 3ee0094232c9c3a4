"""`audit verify --deep`: the per-slice rows of every run once more from its maps.

The counting is written here once more, apart from the stage `score`. Rows are judged where they and all
that they rest on are what the receipts say: another fault has its own finding.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

from textbcs.base.io import InputError, read_csv, read_tensors
from textbcs.lineage.audit.predictions import changed
from textbcs.lineage.audit.recomputation import rests_on
from textbcs.lineage.records.findings import Finding, Remark, some
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.records.run_rows import rows_of
from textbcs.lineage.records.tree import Tree

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")
_SLICES = "data/slices/test/slices"
Test: TypeAlias = "tuple[list[str], np.ndarray]"


def check_scores(tree: Tree, stale: Collection[str] = ()) -> Iterator[Finding | Remark]:
    """The pixel counts and the overlap of every slice of every run, from the run's maps.

    Args:
        tree: the hashed tree.
        stale: stages that ran on something else than there is now: what rests on them is not judged.
    """
    left: list[str] = []
    judged = 0
    test: Test | None = None
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            if not rows_of(item.path) or not item.path.endswith("/slices.csv"):
                continue
            own = receipt.only([item.path])
            if changed(tree, own) or rests_on(tree.graph, own, stale):
                left.append(item.path)
                continue
            judged += 1
            try:
                test = test or _read_test()
                fault = _fault(own, item.path, *test)
            except (InputError, KeyError, ValueError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                fault = f"cannot be counted again: {reason}"
            if fault:
                yield Finding("TAMPERED", receipt.address, item.path, fault, (item.path,))
    if left:
        yield Remark(f"rows not counted again, since something they rest on changed: {some(left)}")
    yield Remark(f"rows of {judged} runs counted again from their maps")


def _read_test() -> Test:
    """Names and true masks (n, H, W) of the test slices."""
    masks = read_tensors(f"{_SLICES}.safetensors")["mask"] > 0
    return read_csv(f"{_SLICES}.csv")["slice_id"].tolist(), masks


def _fault(receipt: Receipt, path: str, names: list[str], masks: "np.ndarray") -> str:
    """What is wrong with the rows of one run; "" if nothing. The first fault explains the others."""
    maps = next(i.path for i in receipt.inputs if i.path.endswith("/probability.safetensors"))
    recorded, scored = read_tensors(maps), read_csv(path)
    same = scored["slice_id"].tolist() == names
    if not same or any(len(values) != len(names) for values in recorded.values()):
        return f"it and {maps} hold other slices than {_SLICES}.csv"
    threshold = float(receipt.params["evaluation.threshold"])
    counts = pixel_counts(recorded["probability"] > threshold, masks)
    differs = (scored[list(COUNTS)].to_numpy() != counts).any(axis=1)
    if differs.any():
        return f"its maps give other pixel counts for {some(scored['slice_id'][differs])}"
    swapped = None
    if "probability_swapped" in recorded:
        swapped = pixel_counts(recorded["probability_swapped"] > threshold, masks)
    wrong = wrong_scores(scored, swapped)
    return f"its pixel counts give other scores: {some(wrong)}" if wrong else ""


def pixel_counts(found: "np.ndarray", true: "np.ndarray") -> "np.ndarray":
    """(n, 4) of two stacks of masks (n, H, W), in the order of `COUNTS`."""
    import numpy as np

    sets = (found & true, found & ~true, ~found & true, ~found & ~true)
    return np.stack([one.sum(axis=(1, 2)) for one in sets], axis=1)


def wrong_scores(scored: "pd.DataFrame", swapped: "np.ndarray | None" = None) -> list[str]:
    """Slices and columns of overlap that do not follow from the slices' own pixel counts.

    Args:
        scored: a run's rows.
        swapped: (n, 4), the counts with the side exchanged in the prompt; None for a network without text.
    """
    import numpy as np

    hit, false, missed, rest = (scored[name].to_numpy(np.int64) for name in COUNTS)
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN: nothing there and nothing found
        wanted = {
            "dice": 2 * hit / (2 * hit + false + missed),
            "iou": hit / (hit + false + missed),
        }
        wanted["dice_two_class"] = (wanted["dice"] + 2 * rest / (2 * rest + false + missed)) / 2
        wanted["iou_two_class"] = (wanted["iou"] + rest / (rest + false + missed)) / 2
        if swapped is not None:
            there, false_there, missed_there = swapped[:, :3].T
            wanted["dice_swapped"] = 2 * there / (2 * there + false_there + missed_there)
    faults = []
    for column, values in wanted.items():
        if column in scored:
            here = scored[column].to_numpy(np.float64)
            same = (here == values) | (np.isnan(here) & np.isnan(values))
            faults += [f"{column} of {one}" for one in scored["slice_id"][~same]]
    return faults
