"""Tables of calibration, of uncertainty, and of vacuity by share of the training patients.

Intervals are BCa limits over resampled patients.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text, mean_interval
from textbcs.reporting.common.probability_names import KINDS, limits, named

if TYPE_CHECKING:
    import pandas as pd

LIMITS = "95 % interval (BCa, patients)"
MAPS = {
    "entropy": "entropy",
    "expected_entropy": "expected entropy",
    "mutual_information": "mutual information",
    "vacuity": "vacuity",
    "inverse_area": "1 / predicted area (no map)",
}
# Measure -> heading, factor and digits of the value and of its limits.
CALIBRATED = {
    "dice": ("Dice % (patients)", 100, 2),
    "ece_region": ("ECE % in the region", 100, 2),
    "brier_region": ("Brier % in the region", 100, 2),
    "nll_region": ("NLL in the region", 1, 3),
    "ece_image": ("ECE % of the image", 100, 2),
    "brier_image": ("Brier % of the image", 100, 2),
    "nll_image": ("NLL of the image", 1, 4),
}
DETECTED = {
    "auroc_image": ("AUROC % for wrong pixels", 100, 1),
    "auroc_band": ("AUROC % within the outline's band", 100, 1),
    "auroc_outside": ("AUROC % outside the band", 100, 1),
    "auprc_image": ("AUPRC % for wrong pixels", 100, 1),
    "auprc_band": ("AUPRC % within the band", 100, 1),
    "excess_aurc_patients": ("Excess AURC % over patients", 100, 2),
}


def _columns(measures: Mapping[str, tuple[str, int, int]]) -> dict[str, str]:
    pairs = (((name, text), (f"{name}_interval", LIMITS)) for name, (text, *_) in measures.items())
    return {key: heading for pair in pairs for key, heading in pair}


CALIBRATION = {
    "label": "Probabilities of",
    "temperature": "Temperature",
    **_columns(CALIBRATED),
}
UNCERTAINTY = {
    "label": "Predictions of",
    "doubt": "Uncertainty",
    "error_share_image": "Wrong pixels %",
    "error_share_band": "Wrong pixels % in the band",
    **_columns(DETECTED),
    "aurc_patients": "AURC % over patients",
}
FRACTIONS = {
    "share": "Training patients %",
    "dice": "Dice % (patients)",
    "dice_interval": LIMITS,
    "vacuity_image": "Mean vacuity, whole image",
    "vacuity_image_interval": LIMITS,
    "vacuity_region": "Lesion and its band",
    "vacuity_region_interval": LIMITS,
    "vacuity_outside": "Outside",
    "vacuity_outside_interval": LIMITS,
}
SCOPES = {
    "vacuity_image": "in the whole image",
    "vacuity_region": "in the lesion and its band",
    "vacuity_outside": "outside",
}
NOT_RUN = (
    "Not run with these parameters: make fractions trains TextBCS on 10, 25 and 50 % of the training "
    "patients besides."
)


Table = Mapping[tuple[str, str, str], Mapping[str, Any]]  # by method, kind and measure


def by_key(scores: "pd.DataFrame") -> Table:
    """The rows of `scores.csv` by method, kind and measure."""
    keys = ("method", "kind", "measure")
    return {(str(r[keys[0]]), str(r[keys[1]]), str(r[keys[2]])): r for r in records(scores)}


def calibration_rows(table: Table, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per set of probabilities: as they are, with either temperature, sampled, as an ensemble.

    Args:
        table: of `by_key`; a row that it holds nothing of is left out.
        called: of `names`.
    """
    rows = []
    for method, kind in _sets(table, called):
        row: dict[str, Any] = {"method": method, "kind": kind, "label": named(called, method, kind)}
        found = table.get((method, kind, "temperature"))
        row["temperature"] = None if found is None else f"{found['value']:.2f}"
        rows.append(row | _printed(table, (method, kind), CALIBRATED))
    return rows


def uncertainty_rows(table: Table, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per set of probabilities and map of doubt, and one for the predicted area's inverse."""
    rows = []
    for method, kind in _sets(table, called):
        for doubt, text in MAPS.items():
            measures = {f"{doubt}_{name}": how for name, how in DETECTED.items()}
            if not any((method, kind, name) in table for name in measures):
                continue
            # The first columns together are the row's name for `textbcs audit trace`.
            row: dict[str, Any] = {"method": method, "kind": kind, "doubt": text}
            row["label"] = named(called, method, kind)
            others = ("error_share_image", "error_share_band", f"{doubt}_aurc_patients")
            plain = dict.fromkeys(others, ("", 100, 2))
            found = _printed(table, (method, kind), measures | plain)
            rows.append(row | {key.removeprefix(f"{doubt}_"): text for key, text in found.items()})
    return rows


def _sets(table: Table, called: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    there = {(method, kind) for method, kind, _ in table}
    return ((m, k) for m in called for k in KINDS if (m, k) in there)


def _printed(
    table: Table, key: tuple[str, str], measures: Mapping[str, tuple[str, int, int]]
) -> dict[str, Any]:
    """Value and limits of each measure as they are printed; None for what a head does not give."""
    row: dict[str, Any] = {}
    for name, (_, scale, digits) in measures.items():
        found = table.get((*key, name))
        row[name] = None if found is None else f"{scale * found['value']:.{digits}f}"
        row[f"{name}_interval"] = None if found is None else _interval(found, scale, digits)
    return row


def _interval(row: Mapping[str, Any], scale: float, digits: int) -> str:
    """Limits as they are printed; a dash where resampling says nothing."""
    return limits(scale * row["low"], scale * row["high"], digits)


def fraction_rows(table: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per share of the training patients: means over test patients with their intervals.

    Args:
        table: `results/uncertainty/fractions.csv`; a patient's value is the mean over her seeds.
        bootstrap: `resamples` and `seed`.
    """
    rows = []
    for share in sorted(set(map(float, table["fraction"]))):
        own = table[table["fraction"] == share]
        patients = own.groupby("patient")
        row: dict[str, Any] = {"method": own["method"].iloc[0], "share": f"{100 * share:g}"}
        for column in ("dice", *SCOPES):
            scale, digits = (100, 2) if column == "dice" else (1, 4)
            found = mean_interval(patients[column].mean().to_numpy(), **bootstrap)
            row[column] = f"{scale * found.mean:.{digits}f}"
            row[f"{column}_interval"] = limits_text(
                scale * found.low, scale * found.high, found.patients, digits
            )
        rows.append(row)
    return rows


def fraction_notes(table: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> list[str]:
    """Whether vacuity fell from the smallest share to the largest, in each part of the image."""
    shares = sorted(set(table["fraction"]))
    notes = []
    for column, where in SCOPES.items():
        means = table.groupby(["fraction", "patient"])[column].mean().unstack("fraction")
        found = mean_interval((means[shares[-1]] - means[shares[0]]).to_numpy(), **bootstrap)
        steps = means.mean()[shares].diff().iloc[1:]
        if found.high < 0:
            verdict = "fell" if (steps < 0).all() else "fell, but not at every step"
        elif found.low > 0:
            verdict = "rose, against what is expected"
        else:
            verdict = "neither rose nor fell beyond what patients differ by"
        notes.append(
            f"From {100 * shares[0]:g} to {100 * shares[-1]:g} % of the training patients mean vacuity "
            f"{where} {verdict} (change {found.mean:+.4f}, "
            f"{limits_text(found.low, found.high, found.patients, 4)})."
        )
    return notes
