"""Made-up results on whole volumes, in the form of the stages that write them."""

from typing import Any

import numpy as np
import pandas as pd

from textbcs.base.io import write_csv
from textbcs.dataset.volume_store import (
    PROMPT_COLUMNS,
    PROMPTS,
    Volume,
    write_patients,
    write_volume,
)
from textbcs.volumes.coded_maps import write_maps

PATIENTS = 8
TOLERANCES = [1.0, 2.5]
METRICS = ("dice", "nsd_1mm", "nsd_2.5mm", "hd95_mm", "false_components", "false_ml")
NO_TEXT, TEXT = ("none",), ("patient", "slice", "automatic", "empty", "wrong_side")
PARAMS: dict[str, Any] = {
    "cohort": {"kind": "phantom", "collection": "", "sides": "patient"},
    "seeds": [1],
    "volumes": {
        "methods": {"image": ["unet", "nnunet"], "text": ["lvit", "textbcs"]},
        "variants": {"image": ["textbcs_plus_no_text"], "text": ["textbcs_plus"]},
        "first_pass": "textbcs_plus_no_text",
        "minimum_lesion_mm3": 100.0,
    },
    "evaluation": {
        "bootstrap": {"resamples": 299, "seed": 1},
        "lesions": {"minimum_covered": 0.1},
        "nsd_tolerances_mm": TOLERANCES,
    },
}


def readings(params: dict[str, Any] = PARAMS) -> list[tuple[str, str]]:
    """Every network with every source of its prompts."""
    chosen = params["volumes"]
    return [
        (method, source)
        for kind in ("methods", "variants")
        for reads, sources in (("image", NO_TEXT), ("text", TEXT))
        for method in chosen[kind][reads]
        for source in sources
    ]


def patient_rows(method: str, source: str, seed: int = 1) -> pd.DataFrame:
    """A row per patient; the first one of an empty prompt has nothing marked."""
    draw = np.random.default_rng([seed, *map(ord, method + source)])
    rows = []
    for number in range(PATIENTS):
        nothing = source == "empty" and not number
        reference, lesions = 1.0 + number, 1 + number % 2
        predicted = 0.0 if nothing else reference * draw.uniform(0.7, 1.4)
        dice = 0.0 if nothing else draw.uniform(0.5, 0.9)
        row: dict[str, Any] = {"method": method, "seed": seed, "source": source}
        row |= {"patient": f"00{number}", "dice": dice, "nsd_1mm": dice / 2, "nsd_2.5mm": dice}
        row |= {"hd95_mm": 90.0 if nothing else 20 * draw.random(), "distance_replaced": nothing}
        row |= {"hd95_voxels": 3.0, "lesions": lesions, "components": 0 if nothing else 2}
        row |= {"lesions_found": 0 if nothing else int(draw.integers(1, lesions + 1))}
        row |= {"false_components": 0 if nothing else int(draw.integers(0, 3))}
        row |= {"reference_ml": reference, "predicted_ml": predicted}
        rows.append({**row, "false_ml": predicted / 4})
    return pd.DataFrame(rows)


def all_patients(seeds: tuple[int, ...] = (1,)) -> pd.DataFrame:
    """The rows of every network, seed and source."""
    parts = [patient_rows(*one, seed) for seed in seeds for one in readings()]
    return pd.concat(parts, ignore_index=True)


def means(patients: pd.DataFrame) -> pd.DataFrame:
    """Means over patients; limits a tenth of the value away, none of what does not vary."""
    rows = []
    for key, own in patients.groupby(["method", "seed", "source"], sort=False):
        found = {name: own[name].mean() for name in METRICS}
        found["lesion_sensitivity"] = own["lesions_found"].sum() / own["lesions"].sum()
        for name, value in found.items():
            limits = (np.nan, np.nan) if value == 0 else (0.9 * value, 1.1 * value)
            rows.append((*key, name, value, *limits, len(own)))
    columns = ["method", "seed", "source", "metric", "mean", "low", "high", "patients"]
    return pd.DataFrame(rows, columns=columns)


def curve(patients: pd.DataFrame) -> pd.DataFrame:
    """Three thresholds: the lower, the more is found and the more is false."""
    rows = []
    for key, own in patients.groupby(["method", "seed", "source"], sort=False):
        lesions = int(own["lesions"].sum())
        for place, threshold in enumerate((0.25, 0.5, 0.75)):
            found = (lesions, lesions - 3, lesions - 6, 4 * (8, 2, 0)[place])
            rows.append((*key, threshold, len(own), lesions, found[place], found[3]))
    columns = ["method", "seed", "source", "threshold", "patients"]
    return pd.DataFrame(rows, columns=[*columns, "lesions", "lesions_found", "false_components"])


def comparisons() -> pd.DataFrame:
    """Three pairs: one whole interval above 0, one below it, one that holds it."""
    pairs = [
        ("textbcs_plus", "patient", "nnunet", "none", 0.05, 0.01, 0.08),
        ("textbcs_plus", "wrong_side", "textbcs_plus_no_text", "none", -0.03, -0.04, -0.01),
        ("textbcs_plus", "automatic", "textbcs_plus", "patient", -0.01, -0.02, 0.02),
    ]
    names = ["method", "source", "other", "other_source", "difference", "low", "high"]
    table = pd.DataFrame(pairs, columns=names).assign(seed=1, patients=PATIENTS)
    parts = [table.assign(metric="dice"), table.assign(metric="false_components", difference=0.5)]
    return pd.concat(parts, ignore_index=True)


def mamamia(patients: pd.DataFrame) -> pd.DataFrame:
    """The challenge's scores; nobody has a density."""
    table = patients[["method", "seed", "source"]].drop_duplicates()
    scores = {"dsc": 0.7, "norm_hd": 0.2, "performance": 0.75, "fairness_age": 0.9}
    scores |= {"fairness_menopause": 0.8, "fairness_density": np.nan, "fairness": 0.85}
    return table.assign(**scores, ranking=0.8)


def points(patients: pd.DataFrame) -> pd.DataFrame:
    """The operating points of all networks."""
    table = patients[["method", "seed"]].drop_duplicates()
    return table.assign(threshold=0.5, smallest_mm3=200.0, dice_val=0.7)


def detection() -> tuple[pd.DataFrame, pd.DataFrame]:
    """`detection.csv` and `rates.csv` of one network."""
    slots = ["location", "shape"]
    told = pd.DataFrame({"slot": slots, "auroc": [0.97, 0.6], "low": 0.5, "high": [0.99, 0.7]})
    rates = pd.DataFrame([(rate, slot) for slot in slots for rate in (0.01, 0.2)])
    rates.columns = ["error_rate", "slot"]
    asked = 0.7 - rates["error_rate"]
    shares = {"detected": 0.9, "rejected_right": 0.05, "dice_true": 0.7, "dice_asked": asked}
    shares |= {"dice_after_fallback": 0.69, "gain": 0.69 - asked, "gain_low": 0.0, "gain_high": 0.3}
    return told.assign(patients=PATIENTS), rates.assign(**shares)


def leak() -> pd.DataFrame:
    """`leak.csv`: an automatic source before the given one, to be put in order."""
    columns = ["source", "attribute", "prior_dice", "low", "high", "mutual_information_bits"]
    rows = [
        ("automatic", "all", 0.2, 0.1, 0.3, 2.0),
        ("slice", "location", np.nan, np.nan, np.nan, 0.99),
        ("slice", "all", 0.3, 0.2, 0.4, 2.5),
    ]
    return pd.DataFrame(rows, columns=columns).assign(of_entropy_bits=3.0, patients=PATIENTS)


def agreed() -> pd.DataFrame:
    """`agreement.csv`: two sources and one word on both splits."""
    rows = [
        (split, source, "location", 8, agreeing)
        for split in ("val", "test")
        for source, agreeing in (("report", 8), ("automatic", 6))
    ]
    return pd.DataFrame(rows, columns=["split", "source", "attribute", "patients", "agreeing"])


def write_scores(seeds: tuple[int, ...] = (1,)) -> None:
    """Everything that the stages `volume_tables` and `volume_figures` read, below the working folder."""
    patients = all_patients(seeds)
    tables = {"patients": patients, "comparisons": comparisons()}
    tables |= {one.__name__: one(patients) for one in (points, curve, means, mamamia)}
    for name, table in tables.items():
        write_csv(f"results/volume_scores/{name}.csv", table)
    for method in ("textbcs", "textbcs_plus"):
        for name, table in zip(("detection", "rates"), detection(), strict=True):
            write_csv(f"results/prompt_check/{method}-s1/{name}.csv", table)
    write_csv("results/prompt_leak/leak.csv", leak())
    write_csv("data/volumes/agreement.csv", agreed())


def true_mask(number: int) -> np.ndarray:
    """A patient's reference: a block of 2 x 5 x 5 voxels."""
    mask = np.zeros((4, 16, 16), bool)
    mask[1:3, 3 + number % 3 : 8 + number % 3, 4:9] = True
    return mask


def write_volumes(stage: Any) -> None:
    """Small volumes, prompts and maps of every network, by the writers of the stages that make them."""
    rows, prompts = [], []
    for number in range(PATIENTS):
        facts: dict[str, Any] = {"patient": f"00{number}", "series_uid": f"1.{number}", "slices": 4}
        facts |= {"size": 16, "midline_col": 8.0, "spacing_slice_mm": 4.0, "spacing_mm": 2.0}
        facts |= {"native_rows": 16, "native_cols": 16, "mask_source": "expert"}
        facts |= {"native_spacing_row_mm": 2.0, "native_spacing_col_mm": 2.0}
        mask = true_mask(number)
        image = np.random.default_rng(number).random(mask.shape).astype(np.float16)
        write_volume(stage, "test", Volume(facts, image, mask, mask))
        rows.append(facts)
        texts = {"patient": "location left", "automatic": "", "wrong_side": "location right"}
        prompts += [("test", facts["patient"], *one) for one in texts.items()]
        for method in dict.fromkeys(name for name, _ in readings()):
            own = [source for name, source in readings() if name == method]
            # Sure of the block, half sure of one voxel beside it, which is too small to be kept.
            map_ = np.where(mask, 0.9, 0.1).astype(np.float32)
            map_[0, 0, 0] = 0.6
            write_maps(stage, f"{method}-s1", "test", facts["patient"], dict.fromkeys(own, map_))
    write_patients(stage, "test", rows)
    write_csv(PROMPTS, pd.DataFrame(prompts, columns=list(PROMPT_COLUMNS)))
