"""Which variants differ from the proposed method in its two switches alone, and which add dropout.

What one part does is seen only between runs that share everything else: loss weights, optimiser,
learning rate, seed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.variants import BASE, configuration
from textbcs.evaluation.statistics.runs import Run

if TYPE_CHECKING:
    import pandas as pd


Switches = tuple[bool, bool]  # SVLI, evidential learning


def ablation_names(params: Mapping[str, Any]) -> dict[Switches, str]:
    """The run of each pair of switches (svli, evidential): variants that change nothing else."""
    found = {switches(params, BASE): BASE}
    for name in params["tables"]["variants"]:
        changes = params["variants"][name]
        only = set(changes) <= {"network"}
        if only and set(changes.get("network", {})) <= {"svli", "evidential"}:
            found[switches(params, name)] = name
    return dict(sorted(found.items(), key=lambda entry: (sum(entry[0]), not entry[0][0])))


def switches(params: Mapping[str, Any], name: str) -> Switches:
    """Whether a run has SVLI and an evidential head."""
    network = configuration(params, name)["network"]
    return bool(network["svli"]), bool(network["evidential"])


def dropout_twins(params: Mapping[str, Any]) -> dict[str, str]:
    """Variant with dropout -> the row of the ablation that it is but for the dropout."""
    rows = ablation_names(params)
    twins = {}
    for name in params["tables"]["variants"]:
        changes = params["variants"][name]
        network = dict(changes.get("network", {}))
        alike = set(changes) <= {"network"} and set(network) <= {"svli", "evidential", "dropout"}
        if alike and network.get("dropout") and switches(params, name) in rows:
            twins[name] = rows[switches(params, name)]
    return twins


Runs = Mapping[str, Sequence[Run]]


WEIGHTS = ("lambda_evidence", "lambda_alignment")


def sweep_names(params: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """The cells of Table 3 as (weight, value, run): variants that change one loss weight alone."""
    cells = []
    base = configuration(params, BASE)["loss"]
    for weight in WEIGHTS:
        own = {float(base[weight]): BASE}
        for name in params["tables"]["variants"]:
            changes = params["variants"][name]
            if set(changes) == {"loss"} and set(changes["loss"]) == {weight}:
                own[float(changes["loss"][weight])] = name
        cells += [(weight, value, own[value]) for value in sorted(own, reverse=True)]
    return cells


def by_name(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method or variant."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.method, []).append(run)
    return found


def best_validation(histories: Mapping[str, Sequence["pd.DataFrame"]]) -> dict[str, float]:
    """Best validation Dice of each run, the mean over its seeds."""
    return {
        name: sum(float(table["validation_dice"].max()) for table in tables) / len(tables)
        for name, tables in histories.items()
    }
