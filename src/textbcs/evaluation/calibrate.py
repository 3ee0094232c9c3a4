"""Stages `calibrate` and `calibrate_variants`: temperatures of trained probabilities, fitted on validation.

Read the weights and the validation slices with their prompts, and nothing of the test split; write
`results/calibration/<method>-s<seed>.json`, and `ablation.json` with an entry per run of the ablation.
One temperature is fitted on all pixels, the other on the region of interest: the background is most of
a slice, and what suits it need not suit the lesion. An evidential head gets none, because a temperature
of its mean would leave the Dirichlet behind.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import calibration
from textbcs.evaluation.predict import load, predict
from textbcs.evaluation.prediction import log_odds
from textbcs.evaluation.scopes import find_scopes
from textbcs.evaluation.switches import ablation_names
from textbcs.io import write_json
from textbcs.models.variants import BASE
from textbcs.prompts.table import texts_of
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage


SCOPES = ("", "_region")  # where a temperature is fitted: the whole image, the region of interest


def calibrate(stage: "Stage", method: str, seed: str) -> None:
    """Fit the temperatures of `method` trained with `seed`."""
    stage.seed = int(seed)
    write_json(stage.output(f"results/calibration/{method}-s{seed}.json"), fit(stage, method, seed))


def calibrate_variants(stage: "Stage") -> None:
    """Fit those of every row of the ablation but the proposed method, which has a stage of its own."""
    names = [name for name in ablation_names(stage.params).values() if name != BASE]
    runs = [(name, str(seed)) for name in names for seed in stage.params["seeds"]]
    found = {f"{name}-s{seed}": fit(stage, name, seed) for name, seed in runs}
    write_json(stage.output("results/calibration/ablation.json"), found)


def fit(stage: "Stage", method: str, seed: str) -> dict[str, Any]:
    """The head's kind, the temperatures of the validation slices, and what they do to their NLL.

    Returns:
        `method`, `seed`, `head`, `temperature` and `temperature_region`; `validation` and
        `validation_region`: `slices`, `pixels`, `nll_before` and `nll_after` over the same pixels.
    """
    shard = read_slices(stage, "val")
    texts = texts_of(stage.input("data/prompts/val.csv"), shard.table["slice_id"])
    model, table = load(stage, method, seed, "learn")
    found = predict(stage, model, table, shard, texts)
    result: dict[str, Any] = {"method": method, "seed": int(seed), "head": "evidential"}
    result |= {f"{name}{end}": None for name in ("temperature", "validation") for end in SCOPES}
    if found.evidence is not None:
        return result
    result["head"] = "sigmoid or softmax"
    odds, truth = log_odds(found.probability), shard.masks > 0
    band_mm = stage.params["evaluation"]["calibration"]["band_mm"]
    scopes = (np.ones(truth.shape, dtype=bool), find_scopes(shard, band_mm).region)
    for end, where in zip(SCOPES, scopes, strict=True):
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
        calibration.negative_log_likelihood(calibration.scaled(odds, t), truth)
        for t in (1.0, temperature)
    )
    return temperature, {"pixels": odds.size, "nll_before": before, "nll_after": after}
