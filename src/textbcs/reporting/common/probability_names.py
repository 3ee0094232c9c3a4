"""What sets of probabilities are called, which of them are drawn together, and their limits in print."""

from collections.abc import Mapping
from typing import Any

from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics.ablation_rows import ablation_names, dropout_twins
from textbcs.evaluation.statistics.intervals import limits_text
from textbcs.reporting.common.labels import label

# Kind of probability -> what a row's name says of it, in the order of the rows.
KINDS = {
    "raw": "",
    "scaled": ", temperature-scaled (image)",
    "scaled_region": ", temperature-scaled (region)",
    "sampled": ", mean of the passes",
    "ensemble": ", mean of the seeds",
}


def names(params: Mapping[str, Any]) -> dict[str, str]:
    """What the rows of the ablation, those with dropout and the others are called, in order."""
    rows = {
        (False, False): "Ablation baseline",
        (False, True): "Ablation baseline with EL",
        (True, False): f"{label(BASE)} without EL",
    }
    own = ablation_names(params)
    found = {name: rows[key] for key, name in own.items() if key in rows}
    for name, twin in dropout_twins(params).items():
        found[name] = f"{found.get(twin, label(twin))} with dropout"
    order = [RIVAL, own.get((False, False)), *dropout_twins(params), own.get((False, True))]
    order += [own.get((True, False)), own.get((True, True)), BASE]
    return {name: found.get(name, label(name)) for name in order if name is not None}


def groups(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Methods that are drawn together, by what they share: UNet, and the networks with and without EL."""
    own, twins = ablation_names(params), dropout_twins(params)
    found = {f"{label(RIVAL)} and its temperatures": [RIVAL]}
    for svli, title in ((False, "Ablation baseline"), (True, label(BASE))):
        rows = [own[svli, evidential] for evidential in (False, True) if (svli, evidential) in own]
        found[f"{title}, with and without EL"] = [
            *rows,
            *(name for name, twin in twins.items() if twin in rows),
        ]
    if not any(BASE in methods for methods in found.values()):
        found[label(BASE)] = [BASE]
    return found


def named(called: Mapping[str, str], method: str, kind: str) -> str:
    """What a set of probabilities is called."""
    return f"{called[method]}{KINDS[kind]}"


def limits(low: float, high: float, digits: int) -> str:
    """An interval as it is printed; a dash where there is none."""
    return limits_text(low, high, 0, digits)
