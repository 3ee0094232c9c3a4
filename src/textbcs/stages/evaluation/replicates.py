"""Stage `replicates`: how far the seed alone moves the scores that the claims are about.

Reads `results/evaluation/<method>-s<seed>/slices.csv` of `replicates.methods` with every seed that they were
trained with, those of `seeds` first, then those of `replicates.seeds`; writes
`results/statistics/replicates.json`, Dice in percent, means over patients:

- `seeds`, and by method in their order `dice_patient_mean`;
- by method `standard_deviation` over the seeds (null for one seed) and `range`, the lowest and the highest;
- `<reference>_minus`: the reference method minus each other one, seed by seed.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv, write_json
from textbcs.base.variants import BASE
from textbcs.evaluation.statistics.intervals import patient_means
from textbcs.evaluation.statistics.runs import COLUMNS, EVALUATION, Run, by_method

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

FILE = Path("results/statistics/replicates.json")


def run(stage: "Stage") -> None:
    """Write the spread over seeds.

    Params read: `replicates` and `seeds`.

    Raises:
        InputError: two runs hold other slices.
    """
    repeated = stage.params["replicates"]
    seeds = [*stage.params["seeds"], *repeated["seeds"]]
    methods = by_method(
        [
            Run(m, s, read_csv(stage.input(EVALUATION / f"{m}-s{s}" / "slices.csv"), COLUMNS))
            for m in repeated["methods"]
            for s in seeds
        ]
    )
    dice = {name: [dice_percent(run.slices) for run in runs] for name, runs in methods.items()}
    found = spread(seeds, dice, BASE)
    write_json(stage.output(FILE), found)
    stage.log(f"{len(dice)} methods, seeds {', '.join(map(str, seeds))}")


def dice_percent(slices: "pd.DataFrame") -> float:
    """A run's Dice in percent, the mean over patients of their mean over tumour slices."""
    return 100 * float(patient_means(slices[slices["kind"] == "tumour"], "dice").mean())


def spread(
    seeds: Sequence[int], dice: Mapping[str, Sequence[float]], reference: str
) -> dict[str, Any]:
    """The contents of `replicates.json`.

    Args:
        seeds: in the order of the values.
        dice: in percent, a value a seed, by method.
        reference: the method that is held against the others; one of them.
    """
    return {
        "seeds": list(seeds),
        "dice_patient_mean": {name: list(values) for name, values in dice.items()},
        "standard_deviation": {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in dice.items()
        },
        "range": {name: [min(values), max(values)] for name, values in dice.items()},
        f"{reference}_minus": {
            name: [ours - theirs for ours, theirs in zip(dice[reference], values, strict=True)]
            for name, values in dice.items()
            if name != reference
        },
    }
