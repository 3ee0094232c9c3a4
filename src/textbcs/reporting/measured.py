"""What overlap does not say: boundaries, lesions and false alarms of every method, and Dice by subgroup.

Pure functions on `results/statistics/means.csv` and `subgroups.csv`; read and write no file.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.io import records

if TYPE_CHECKING:
    import pandas as pd

_NSD = re.compile(r"nsd_([\d.]+)mm_patient_mean")
# Measure of means.csv -> heading and factor; NSD's come first, their tolerances from the file.
MEASURES = {
    "hd95_mm_patient_mean": ("HD95 mm (patients)", 1),
    "assd_mm_patient_mean": ("ASSD mm (patients)", 1),
    "lesion_recall_patient_mean": ("Lesions found % (patients)", 100),
    "false_components_tumour_slice_mean": ("False components a tumour slice", 1),
    "false_components_tumour_free_slice_mean": ("False components a tumour-free slice", 1),
    "false_alarm_share_tumour_free": ("Tumour-free slices with a prediction %", 100),
    "dice_volume": ("Dice % of whole volumes (patients)", 100),
    "dice_stacked_slices": ("Dice % of a patient's stacked slices", 100),
}
SPREAD = ("spread", "Dice: standard deviation over seeds, points")
DISTANCES = (
    "Distances are in mm with each slice's own spacing; a tumour slice on which nothing is predicted "
    "counts with the slice's diagonal."
)
ONE_SEED = (
    "One seed: the intervals hold each trained network fixed; another training of the same method "
    "would lie elsewhere."
)


def measure_table(
    means: "pd.DataFrame", methods: Sequence[str], labels: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Headings, a row per method, and the sentences below.

    Args:
        means: as the stage `statistics` writes it.
        methods: in the order of Table 1.
        labels: their printed names.
    """
    known = {(str(row["method"]), str(row["measure"])): row for row in records(means)}
    found = (_NSD.fullmatch(measure) for _, measure in known)
    wanted = {match[0]: (f"NSD % at {match[1]} mm (patients)", 100) for match in found if match}
    wanted |= {m: one for m, one in MEASURES.items() if any((n, m) in known for n in methods)}
    headers = {"label": "Method"} | {m: text for m, (text, _) in wanted.items()}
    rows = []
    for method in methods:
        row: dict[str, Any] = {"method": method, "label": labels.get(method, method)}
        row |= {m: _cell(known.get((method, m)), scale) for m, (_, scale) in wanted.items()}
        dice = known.get((method, "dice_patient_mean"), {})
        spread = float(dice.get("seed_sd", float("nan")))
        if spread == spread:
            row[SPREAD[0]] = 100 * spread
        rows.append(row)
    seeds = any(SPREAD[0] in row for row in rows)
    return (
        headers | ({SPREAD[0]: SPREAD[1]} if seeds else {}),
        rows,
        [
            DISTANCES,
            *(() if seeds else (ONE_SEED,)),
        ],
    )


def _cell(row: Mapping[str, Any] | None, scale: float) -> str:
    """A value, with its interval where it has one."""
    if row is None or row["value"] != row["value"]:
        return "–"
    text = f"{scale * float(row['value']):.2f}"
    if row["low"] == row["low"]:
        text += f" ({scale * float(row['low']):.2f} to {scale * float(row['high']):.2f})"
    return text


def subgroup_table(
    subgroups: "pd.DataFrame", reference: str, methods: Sequence[str], labels: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Headings and a row per level of each subgroup: every method's Dice, the reference's with its interval.

    Args:
        subgroups: as the stage `statistics` writes it.
        reference: the tested method; its column comes first.
        methods: in the order of Table 1.
        labels: their printed names.
    """
    order = [reference, *(name for name in methods if name != reference)]
    headers = {
        "level": "Subgroup",
        "patients": "Patients",
        "slices": "Slices",
        **{name: f"{labels.get(name, name)}, Dice %" for name in order},
    }
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in records(subgroups):
        key = (str(row["subgroup"]), str(row["level"]))
        line = found.setdefault(
            key,
            {
                "level": f"{key[0]}: {key[1]}",
                "patients": int(row["patients"]),
                "slices": int(row["slices"]),
            },
        )
        dice = 100 * float(row["dice"])
        if row["method"] == reference:
            low, high = 100 * float(row["low"]), 100 * float(row["high"])
            line[reference] = f"{dice:.2f} ({low:.2f} to {high:.2f})"
        else:
            line[str(row["method"])] = dice
    return headers, list(found.values())
