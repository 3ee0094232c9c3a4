"""Which variants differ from the proposed method in its two switches alone, and which add dropout.

What one part does is seen only between runs that share everything else: loss weights, optimiser,
learning rate, seed. Pure functions on the parameters; reads and writes no file.
"""

from collections.abc import Mapping
from typing import Any

from textbcs.models.variants import BASE, configuration

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
