"""What a detector of wrong prompts buys where a share of the prompts is wrong.

Every patient is scored with her right prompt and with a wrong word in each slot. A share r of wrong prompts
is then a mixture, reckoned and not drawn: (1 - r) times the mean over right prompts and r times that over
wrong ones. A rejected prompt is replaced by the automatic one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.evaluation.prompt_check.detection import detection
from textbcs.evaluation.statistics.cluster_bootstrap import Draws, interval, mean
from textbcs.prompt_check.counterfactuals import TRUE, WRONG

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ERROR_RATES = (0.01, 0.05, 0.10, 0.20)
ANY = "any"  # one wrong word, in a slot by equal chance
AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Cases:
    """What happens to n patients' right prompts and to k wrong ones of each.

    Attributes:
        right: (n,), whether the right prompt is rejected.
        wrong: (n, k), whether each wrong one is.
        dice_true: (n,), Dice with the right prompt.
        dice_wrong: (n, k), with each wrong one.
        dice_automatic: (n,), with the automatic one.
    """

    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    dice_true: Array
    dice_wrong: Array
    dice_automatic: Array


def worth(cases: Cases, rate: float, draws: Draws) -> dict[str, float]:
    """What the detector does where a share `rate` of the prompts is wrong, all wrong ones alike likely.

    Args:
        cases: of n patients.
        rate: in [0, 1].
        draws: bootstrap samples of the patients.

    Returns:
        Expected values: `detected`, the share of wrong prompts that are rejected; `rejected_right`, of right
        ones; `right_warnings`, the share of rejected prompts that are wrong (NaN: none is rejected);
        `dice_asked` with the prompts as given, `dice_after_fallback` with the automatic prompt in place of
        rejected ones, `dice_true` with all prompts right; and the second Dice less the first, `gain`, with
        its limits `gain_low` and `gain_high` by patient.
    """
    automatic = cases.dice_automatic
    right_after = np.where(cases.right, automatic, cases.dice_true)
    wrong_after = np.where(cases.wrong, automatic[:, None], cases.dice_wrong).mean(axis=1)
    asked = (1 - rate) * cases.dice_true + rate * cases.dice_wrong.mean(axis=1)
    after = (1 - rate) * right_after + rate * wrong_after
    found, lost = float(cases.wrong.mean()), float(cases.right.mean())
    warned = rate * found + (1 - rate) * lost
    gain = interval(mean(draws, after - asked, np.ones(len(asked))), draws)
    return {
        "detected": found,
        "rejected_right": lost,
        "right_warnings": rate * found / warned if warned > 0 else float("nan"),
        "dice_asked": float(asked.mean()),
        "dice_after_fallback": float(after.mean()),
        "dice_true": float(cases.dice_true.mean()),
        "gain": gain.mean,
        "gain_low": gain.low,
        "gain_high": gain.high,
    }


def rate_rows(
    doubts: "pd.DataFrame", dice: "pd.DataFrame", threshold: float, draws: Draws
) -> list[dict[str, Any]]:
    """The rows of rates.csv: for each slot, and for `any`, every share of wrong prompts.

    Args:
        doubts: `patient, asked, doubt`, of `true` and of each `wrong_<slot>`.
        dice: `patient, asked, dice`, of these and of `automatic`.
        threshold: a prompt is rejected where its doubt exceeds this.
        draws: bootstrap samples of the patients.
    """
    doubt, score = _wide(doubts, "doubt"), _wide(dice, "dice")
    score = score.loc[doubt.index]
    rows = []
    for slot, names in _errors(doubt.columns):
        cases = Cases(
            (doubt[TRUE] > threshold).to_numpy(),
            (doubt[names] > threshold).to_numpy(),
            score[TRUE].to_numpy(),
            score[names].to_numpy(),
            score[AUTOMATIC].to_numpy(),
        )
        rows += [
            {"error_rate": rate, "slot": slot, **worth(cases, rate, draws)} for rate in ERROR_RATES
        ]
    return rows


def detection_rows(
    words: "pd.DataFrame", doubts: "pd.DataFrame", draws: Draws
) -> list[dict[str, Any]]:
    """The rows of detection.csv: the area under the ROC curve of each slot's words and of `any` prompt.

    Args:
        words: `patient, asked, slot, wrong`.
        doubts: `patient, asked, doubt`.
        draws: bootstrap samples of the patients.
    """
    doubt = _wide(doubts, "doubt")
    rows = []
    for slot, names in _errors(doubt.columns):
        values = doubt if slot == ANY else _wide(words[words["slot"] == slot], "wrong")
        found = detection(values[names].to_numpy(), values[[TRUE]].to_numpy(), draws)
        limits = {"auroc": found.mean, "low": found.low, "high": found.high}
        rows.append({"slot": slot, **limits, "patients": found.patients})
    return rows


def _errors(asked: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The slots in which a word may be wrong, with the prompts of each; `any` with all."""
    wrong = [name for name in asked if name.startswith(WRONG)]
    return [*((name.removeprefix(WRONG), [name]) for name in wrong), (ANY, wrong)]


def _wide(table: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """A row per patient, a column per prompt in the order of the table.

    Raises:
        InputError: a patient lacks what others have.
    """
    order = list(dict.fromkeys(table["asked"]))
    wide = table.pivot(index="patient", columns="asked", values=column)[order]
    if wide.isna().any(axis=None):
        patient = wide.index[wide.isna().any(axis=1)][0]
        raise InputError(
            f"prompt check: patient {patient} lacks a prompt that others have; run the stage "
            "prompt_features again"
        )
    return wide
