"""Two tables on what a network does not know: calibration of the rivals, and vacuity by share of the data.

Pure functions on `results/statistics/means.csv` and `results/uncertainty/fractions.csv`; read and write
no file.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics import mean_interval
from textbcs.io import records
from textbcs.reporting.runs import label

if TYPE_CHECKING:
    import pandas as pd

RIVAL = "unet"  # what evidential learning has to face, as it is and in three better ways
# Column -> measure of means.csv, between a row's prefix and suffix.
MEASURES = {
    "ece_region": "ece_region",
    "brier_region": "brier_region",
    "nll_region": "nll_region",
    "ece_image": "ece_image",
    "nll_image": "nll_image",
}
# What a temperature does not change: the order of pixels, and with it the mask.
RANKED = {
    "auroc_entropy": "entropy_auroc_image",
    "auroc_entropy_band": "entropy_auroc_band",
    "auroc_information": "mutual_information_auroc_image",
    "auroc_vacuity": "vacuity_auroc_image",
    "aurc": "entropy_aurc_patients",
}
CALIBRATION = {
    "label": "Probabilities of",
    "dice": "Dice % (patients)",
    "ece_region": "ECE % in the region",
    "brier_region": "Brier % in the region",
    "nll_region": "NLL in the region",
    "ece_image": "ECE % of the image",
    "nll_image": "NLL of the image",
    "auroc_entropy": "Error AUROC, entropy",
    "auroc_entropy_band": "the same within the outline's band",
    "auroc_information": "Error AUROC, mutual information",
    "auroc_vacuity": "Error AUROC, vacuity",
    "aurc": "AURC over patients, entropy",
}
PERCENT = ("dice", "ece_region", "brier_region", "ece_image")
LOWEST = {"ece_region": "ECE", "brier_region": "Brier score", "nll_region": "NLL"}
FRACTIONS = {
    "share": "Training patients %",
    "dice": "Dice % (patients)",
    "dice_interval": "95 % interval",
    "vacuity_image": "Mean vacuity, whole image",
    "vacuity_image_interval": "95 % interval",
    "vacuity_region": "Lesion and its band",
    "vacuity_region_interval": "95 % interval",
    "vacuity_outside": "Outside",
    "vacuity_outside_interval": "95 % interval",
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


def calibration_rows(means: "pd.DataFrame", reference: str) -> list[dict[str, Any]]:
    """UNet as it is, temperature-scaled, sampled with dropout and as an ensemble, then the reference.

    Args:
        means: as the stage `statistics` writes it; a row that it holds nothing of is left out.
        reference: the evidential method.
    """
    values = {
        (str(row["method"]), str(row["measure"])): float(row["value"]) for row in records(means)
    }
    sampled = dict.fromkeys(m for m, measure in values if measure == "sampled_ece_region")
    rows = [
        (RIVAL, "", "", label(RIVAL)),
        (RIVAL, "", "_scaled", f"{label(RIVAL)}, temperature-scaled"),
        *((m, "sampled_", "", f"{_own(m)}, mean of the passes with dropout") for m in sampled),
        (RIVAL, "ensemble_", "", f"{label(RIVAL)}, mean of the seeds"),
        (reference, "", "", label(reference)),
        (reference, "ensemble_", "", f"{label(reference)}, mean of the seeds"),
    ]
    return [
        _calibration_row(values, *row)
        for row in rows
        if (row[0], f"{row[1]}ece_region{row[2]}") in values
    ]


def _own(method: str) -> str:
    """UNet where the sampled network is one of ours without a name in the paper."""
    return label(method) if label(method) != method else f"UNet ({method})"


def _calibration_row(
    values: Mapping[tuple[str, str], float], method: str, prefix: str, suffix: str, name: str
) -> dict[str, Any]:
    measures = {column: f"{measure}{suffix}" for column, measure in MEASURES.items()}
    measures |= {"dice": "dice_patient_mean", **RANKED}
    row: dict[str, Any] = {"method": method, "label": name}
    for column in CALIBRATION:
        if column in measures:
            value = values.get((method, prefix + measures[column]))
            scale = 100 if column in PERCENT else 1
            row[column] = None if value is None else scale * value
    return row


def calibration_notes(rows: Sequence[Mapping[str, Any]], reference: str) -> list[str]:
    """For each score of the region a sentence that names the best row, whoever it is."""
    notes = []
    ours = next(row for row in rows if row["method"] == reference)
    for column, name in LOWEST.items():
        best = min(rows, key=lambda row: float(row[column]))
        if best is ours:
            notes.append(f"{name} in the region: lowest for {best['label']} ({best[column]:.3f}).")
        else:
            notes.append(
                f"{name} in the region: lowest for {best['label']} ({best[column]:.3f}), not for "
                f"{ours['label']} ({ours[column]:.3f})."
            )
    return notes


def fraction_rows(table: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per share of the training patients: means over test patients with their intervals.

    Args:
        table: `results/uncertainty/fractions.csv`; a patient's value is the mean over her seeds.
        bootstrap: `resamples`, `seed` and `confidence`.
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
            row[f"{column}_interval"] = _limits(scale * found.low, scale * found.high, digits)
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
            f"{_limits(found.low, found.high, 4)})."
        )
    return notes


def _limits(low: float, high: float, digits: int) -> str:
    return f"{low:.{digits}f} to {high:.{digits}f}"
