"""Stage `calibrate`: temperatures of trained probabilities, fitted on validation.

Reads what each network of Table 1 and of the ablation predicted on the validation slices, and nothing of the
test split; runs no network. Writes `results/calibration/<method>-s<seed>.json`, and `ablation.json` with an
entry per run of the ablation. One temperature is fitted on all pixels, the other on the region of interest:
the background is most of a slice, and what suits it need not suit the lesion. An evidential head gets none,
because a temperature of its mean would leave the Dirichlet behind.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, write_json
from textbcs.base.variants import BASE
from textbcs.dataset.slice_store import Shard, read_slices
from textbcs.evaluation.metrics import probability as probability_scores
from textbcs.evaluation.metrics.regions import find_scopes
from textbcs.evaluation.statistics.ablation_rows import ablation_names
from textbcs.evaluation.uncertainty import calibration
from textbcs.prediction.files import read_validation
from textbcs.prediction.maps import log_odds

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


FOLDER = Path("results/calibration")
SCOPES = ("", "_region")  # where a temperature is fitted: the whole image, the region of interest


def run(stage: "Stage") -> None:
    """Fit the temperatures of every method, and of every row of the ablation.

    The proposed method is a row of both, and is written as a method.
    """
    shard = read_slices(stage, "val")
    band_mm = stage.params["evaluation"]["calibration"]["band_mm"]
    scopes = find_scopes(shard, band_mm)
    seeds = stage.params["seeds"]
    runs = [(name, int(seed)) for name in stage.params["tables"]["table1"] for seed in seeds]
    for name, seed in stage.progress(runs, desc="methods"):
        path = stage.output(FOLDER / f"{name}-s{seed}.json")
        write_json(path, fit(stage, shard, scopes.region, name, seed))
    names = [name for name in ablation_names(stage.params).values() if name != BASE]
    rows = [(name, int(seed)) for name in names for seed in seeds]
    found = {
        f"{name}-s{seed}": fit(stage, shard, scopes.region, name, seed)
        for name, seed in stage.progress(rows, desc="ablation")
    }
    write_json(stage.output(FOLDER / "ablation.json"), found)


def fit(
    stage: "Stage", shard: Shard, region: NDArray[np.bool_], method: str, seed: int
) -> dict[str, Any]:
    """The head's kind, the temperatures of the validation slices, and what they do to their NLL.

    Args:
        stage: reads the predictions.
        shard: n validation slices.
        region: (n, H, W), the lesions with the band around their outlines.
        method: name of the method or of the variant.
        seed: it was trained with.

    Returns:
        `method`, `seed`, `head`, `temperature` and `temperature_region`; `validation` and
        `validation_region`: `slices`, `pixels`, `nll_before` and `nll_after` over the same pixels.

    Raises:
        InputError: the predictions are of other slices.
    """
    run = f"{method}-s{seed}"
    probability = read_validation(stage, run)
    result: dict[str, Any] = {"method": method, "seed": seed, "head": "evidential"}
    result |= {f"{name}{end}": None for name in ("temperature", "validation") for end in SCOPES}
    if probability is None:
        return result
    if len(probability) != len(shard.table):
        raise InputError(
            f"results/predictions/{run}/validation.safetensors: {len(probability)} maps for "
            f"{len(shard.table)} validation slices; run predict again"
        )
    result["head"] = "sigmoid or softmax"
    odds, truth = log_odds(probability), shard.masks > 0
    everywhere = np.ones(truth.shape, dtype=bool)
    for end, where in zip(SCOPES, (everywhere, region), strict=True):
        temperature, facts = _temperature(odds[where], truth[where])
        result[f"temperature{end}"] = temperature
        result[f"validation{end}"] = {"slices": len(shard.table), **facts}
    return result


def _temperature(
    odds: NDArray[np.float64], truth: NDArray[np.bool_]
) -> tuple[float, dict[str, float]]:
    """The temperature of some pixels (m,), and their NLL before and after."""
    temperature = calibration.fit_temperature(odds, truth)
    before, after = (
        probability_scores.negative_log_likelihood(calibration.scaled(odds, t), truth)
        for t in (1.0, temperature)
    )
    return temperature, {"pixels": odds.size, "nll_before": before, "nll_after": after}
