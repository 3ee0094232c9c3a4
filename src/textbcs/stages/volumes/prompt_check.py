"""Stage `prompt_check`: fit the detector of wrong prompts of each network, and measure it.

Reads `results/prompt_features`, the volumes and their maps; fits on validation patients, measures on test
patients; writes to `results/prompt_check/<name>-s<seed>/`

- `detector.json`: the regressions and the threshold of warning;
- `detection.csv`: the area under the ROC curve by slot, and over all prompts with one wrong word (`any`);
- `rates.csv`: errors detected, right prompts rejected and Dice, at several shares of wrong prompts;
- `scores.csv`: each test patient's prompts, how doubtful they are and their Dice.

Runs no network. Dice is that of whole volumes on the square grid, at the network's operating point.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_csv, records, write_csv, write_json
from textbcs.base.variants import examined_methods
from textbcs.dataset.split_table import TEST, VAL
from textbcs.dataset.volume_store import read_patients, read_volume, voxel_mm3
from textbcs.evaluation.prompt_check.injected_errors import AUTOMATIC, detection_rows, rate_rows
from textbcs.evaluation.statistics.cluster_bootstrap import draw
from textbcs.prompt_check.counterfactuals import TRUE, WRONG
from textbcs.prompt_check.detector import KEYS, fit_detector, prompt_doubts, word_probabilities
from textbcs.prompt_check.files import features_file, maps_file
from textbcs.volumes.coded_maps import Codes, file_of, read_codes
from textbcs.volumes.operating_point import OperatingPoint, apply
from textbcs.volumes.prompt_sources import AUTOMATIC as FROM_FIRST_PASS
from textbcs.volumes.prompt_sources import PATIENT, WRONG_SIDE

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

FOLDER = Path("results/prompt_check")
POINTS = Path("results/volume_scores/points.csv")
# Under which name of a prompt the maps of a source of results/volumes count.
_ASKED = {PATIENT: TRUE, FROM_FIRST_PASS: AUTOMATIC, WRONG_SIDE: f"{WRONG}location"}


def run(stage: "Stage") -> None:
    """Fit and measure every network's detector.

    Params read: `volumes`, `seeds`, `evaluation.bootstrap`.

    Raises:
        InputError: an input is missing, damaged or of other patients; or no test patient has a prompt.
    """
    stage.seed = stage.params["evaluation"]["bootstrap"]["seed"]
    points = {
        (row["method"], str(row["seed"])): OperatingPoint(
            float(row["threshold"]), float(row["smallest_mm3"]), float(row["dice_val"])
        )
        for row in records(
            read_csv(
                stage.input(POINTS), ["method", "seed", "threshold", "smallest_mm3", "dice_val"]
            )
        )
    }
    for name in examined_methods(stage.params):
        for seed in stage.params["seeds"]:
            if (name, str(seed)) not in points:
                raise InputError(
                    f"{POINTS}: no operating point of {name} with seed {seed}; run the stage "
                    "volume_score again"
                )
            check(stage, f"{name}-s{seed}", points[name, str(seed)])


def check(stage: "Stage", run: str, point: OperatingPoint) -> None:
    """Fit and measure the detector of one run, such as `textbcs-s1`, at its operating point."""
    import pandas as pd

    path = features_file(run)
    table = read_csv(stage.input(path), KEYS)
    detector = fit_detector(table[table["split"] == VAL])
    test = table[table["split"] == TEST]
    if not len(test):
        raise InputError(
            f"{path}: no test patient has a prompt; lower volumes.minimum_lesion_mm3 or enlarge the cohort"
        )
    words = word_probabilities(test, detector.slots)
    doubts = prompt_doubts(words)
    dice = pd.DataFrame(_dice(stage, run, set(test["patient"]), point))
    rules = stage.params["evaluation"]["bootstrap"]
    draws = draw(int(doubts["patient"].nunique()), rules["resamples"], rules["seed"])
    tables = {
        "detection": pd.DataFrame(detection_rows(words, doubts, draws)),
        "rates": pd.DataFrame(rate_rows(doubts, dice, detector.threshold, draws)),
        "scores": _scores(doubts, dice, detector.threshold),
    }
    write_json(stage.output(FOLDER / run / "detector.json"), detector.to_json())
    for name, one in tables.items():
        write_csv(stage.output(FOLDER / run / f"{name}.csv"), one)
    areas = {row["slot"]: row["auroc"] for row in records(tables["detection"])}
    told = ", ".join(f"{slot} {area:.3f}" for slot, area in areas.items())
    stage.log(f"{run}: fitted on {detector.patients} patients; AUROC {told}")


def _scores(doubts: "pd.DataFrame", dice: "pd.DataFrame", threshold: float) -> "pd.DataFrame":
    """Each test patient's prompts: `patient, asked, doubt, rejected, dice`."""
    table = dice.merge(doubts, on=["patient", "asked"], how="left", validate="one_to_one")
    rejected = table["doubt"] > threshold
    table["rejected"] = rejected.astype(object).where(table["doubt"].notna(), None)
    return table[["patient", "asked", "doubt", "rejected", "dice"]]


def _dice(
    stage: "Stage", run: str, patients: set[str], point: OperatingPoint
) -> Iterator[dict[str, Any]]:
    """Dice of the test patients' volumes: rows `patient, asked, dice`, one patient in memory at a time."""
    for facts in records(read_patients(stage, TEST)):
        patient = facts["patient"]
        if patient not in patients:
            continue
        mask = read_volume(stage, TEST, facts).mask
        known = read_codes(stage.input(file_of(run, TEST, patient)))
        codes: dict[str, Codes] = {
            asked: known[source] for source, asked in _ASKED.items() if source in known
        }
        codes |= read_codes(stage.input(maps_file(run, patient)))
        for asked, one in codes.items():
            found = apply(one, point, voxel_mm3(facts))
            yield {"patient": patient, "asked": asked, "dice": volume_dice(found, mask)}


def volume_dice(found: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|) of two volumes; 1 for two empty ones, as the operating point counts them."""
    size = int(np.count_nonzero(found)) + int(np.count_nonzero(reference))
    return 2 * int(np.count_nonzero(found & reference)) / size if size else 1.0
