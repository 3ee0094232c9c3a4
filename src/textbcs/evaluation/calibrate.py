"""Stage `calibrate`: the temperature of one trained method's probabilities, fitted on validation.

Reads the weights and the validation slices with their prompts, and nothing of the test split; writes
`results/calibration/<method>-s<seed>.json`. An evidential head gets no temperature, because a
temperature of its mean would leave the Dirichlet behind.
"""

from typing import TYPE_CHECKING, Any

from textbcs.evaluation import calibration
from textbcs.evaluation.predict import load, predict
from textbcs.evaluation.prediction import log_odds
from textbcs.io import write_json
from textbcs.prompts.table import read_prompts
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def calibrate(stage: "Stage", method: str, seed: str) -> None:
    """Fit the temperature of `method` trained with `seed`."""
    stage.seed = int(seed)
    result = {"method": method, "seed": int(seed), **fit(stage, method, seed)}
    write_json(stage.output(f"results/calibration/{method}-s{seed}.json"), result)


def fit(stage: "Stage", method: str, seed: str) -> dict[str, Any]:
    """The head's kind, the temperature of the validation slices, and what it does to their NLL."""
    shard = read_slices(stage, "val")
    prompts = read_prompts(stage.input("data/prompts/val.csv")).set_index("slice_id")
    model, table = load(stage, method, seed, "learn")
    texts = prompts.loc[shard.table["slice_id"], "text"].tolist()
    found = predict(stage, model, table, shard, texts)
    if found.evidence is not None:
        return {"head": "evidential", "temperature": None, "validation": None}
    odds = log_odds(found.probability)
    truth = shard.masks > 0
    temperature = calibration.fit_temperature(odds, truth)
    before, after = (
        calibration.negative_log_likelihood(calibration.scaled(odds, t), truth)
        for t in (1.0, temperature)
    )
    facts = {"slices": len(shard.table), "nll_before": before, "nll_after": after}
    return {"head": "sigmoid or softmax", "temperature": temperature, "validation": facts}
