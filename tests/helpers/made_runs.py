"""Runs, calibrations and heat maps made by hand: every number can be worked out from how they were made."""

from typing import Any

import numpy as np
import pandas as pd

from textbcs.evaluation.statistics import aggregates
from textbcs.evaluation.statistics.runs import Run, by_method

BOOTSTRAP = {"resamples": 299, "seed": 1}
RULES = {
    "bootstrap": BOOTSTRAP,
    "permutation": {"resamples": 2000, "seed": 3},
    "nsd_tolerances_mm": [1.0, 2.5],
}
NSD = ["nsd_1mm", "nsd_2.5mm"]
PATIENTS = 12


def slices(gain: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Twelve patients with one to three tumour slices and two tumour-free ones; `gain` is added to Dice."""
    shared, own = np.random.default_rng(9), np.random.default_rng([7, seed])
    rows = []
    for number in range(PATIENTS):
        for z in range(number % 3 + 1):
            dice = float(np.clip(shared.beta(5, 3) + gain + own.normal(0, 0.02), 0.01, 0.99))
            hit = round(100 * dice)
            rows.append(row(number, z, "tumour", (hit, 100 - hit, 100 - hit, 9000), dice))
        rows += [row(number, z, "negative", (0, 0, 0, 9216), np.nan) for z in (8, 9)]
    return pd.DataFrame(rows)


def row(number: int, z: int, kind: str, counts: tuple[int, ...], dice: float) -> dict[str, Any]:
    tumour = kind == "tumour"
    lesions = 1 + number % 2 if tumour else 0
    return {
        "slice_id": f"p{number:02d}-z{z}",
        "patient": f"p{number:02d}",
        "series_uid": f"1.{number}",
        "kind": kind,
        "side": ("left", "right")[number % 2] if tumour else "",
        **dict(zip(aggregates.PIXELS, counts, strict=True)),
        **dict.fromkeys(("dice", "dice_two_class", "iou_two_class", "dice_native", *NSD), dice),
        "iou": dice / (2 - dice),
        **dict.fromkeys(("hd95_mm", "assd_mm"), 10.0 if tumour else np.nan),
        **dict.fromkeys(("brier", "nll"), 0.1),
        **dict.fromkeys(("brier_region", "nll_region"), 0.2 if tumour else np.nan),
        "distance_replaced": number == 0 and tumour,
        "reference_mm2": 100.0 + 10 * number if tumour else 0.0,
        "false_positive_mm2": 0.0,
        "lesions": lesions,
        "lesions_found": min(lesions, 1),
        "components": 1,
        "false_components": 0 if tumour else 1,
    }


def methods(seeds: tuple[int, ...] = (1,)) -> dict[str, list[Run]]:
    gains = {"unet": 0.0, "middle": 0.02, "textbcs": 0.1}
    return by_method([Run(m, s, slices(g, s)) for m, g in gains.items() for s in seeds])


CALIBRATED = {
    "temperature": 2.0,
    "tumour_slices": 24,
    "tumour_patients": 12,
    "raw": {"image": {"ece": 0.1, "brier": 0.2, "nll": 0.3, "reliability": {}}},
    "scaled": {"image": {"ece": 0.05, "brier": 0.2, "nll": 0.3, "reliability": {}}},
    "error_detection": {"band": {"error_share": 0.1, "entropy_auroc": 0.7, "entropy_auprc": None}},
    "risk_coverage": {"entropy": {"aurc_slices": 0.2, "aurc_patients": 0.1}},
}


def heat_map_facts() -> pd.DataFrame:
    """UNet's map of patient c is dead; SVLI has none of c's correlations."""
    rows = []
    for label in ("unet", "svli"):
        for place, (patient, index) in enumerate([("a", 0), ("a", 1), ("b", 0), ("c", 0)]):
            dead = (label, patient) == ("unet", "c")
            row = {"slice_id": f"{patient}{index}", "patient": patient, "network": label}
            row |= {"stage": 1, "seed": 7, "dice": 0.1 * place, "has_heat": int(not dead)}
            row |= {"pointing_hit": float(label == "svli")}
            row |= {"energy_inside": 0.5 if label == "svli" else 0.2 * (not dead)}
            row |= {"lift": 2.0 * (not dead), "randomised_correlation": -0.3}
            row |= {"draw_1": -0.1, "draw_2": -0.5}
            if (label, patient) == ("svli", "c"):
                row |= {"randomised_correlation": np.nan, "draw_1": np.nan, "draw_2": np.nan}
            rows.append(row)
    return pd.DataFrame(rows)
