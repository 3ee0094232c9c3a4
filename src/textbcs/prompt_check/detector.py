"""The detector: for each word of a prompt the probability that it is wrong, and when that is a warning.

A small logistic regression per slot on standardised features, fitted on validation patients with their right
prompts and with wrong words put in; a feature can only speak for the given word (`features`). How far a
slot's regression is held back is chosen by how well it tells left-out patients, so that a slot whose features
say little stays near 1/2 and does not raise the threshold for the others. Right and wrong weigh alike, so a
probability is for even odds: it says how much speaks for an error, not how common errors are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, records
from textbcs.prompt_check.counterfactuals import TRUE, WRONG
from textbcs.prompt_check.logistic import fit_logistic, probability

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
REJECTED_RIGHT = 0.05  # at most this share of validation's right prompts is warned of
PENALTIES = (
    1.0,
    3.0,
    10.0,
    30.0,
    100.0,
)  # of standardised coefficients, of which each slot gets one
KEYS = ("split", "patient", "asked", "slot")


@dataclass(frozen=True)
class SlotModel:
    """One slot's regression: `intercept` + sum of `coefficients` * (feature - `means`) / `scales`."""

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def wrong(self, features: Mapping[str, float]) -> float:
        """The probability that a word with these features is wrong."""
        return float(probability(self._scaled(features)[None], self._weights(), self.intercept)[0])

    def reasons(self, features: Mapping[str, float]) -> dict[str, float]:
        """What each feature adds to the log-odds that the word is wrong."""
        parts = self._scaled(features) * self._weights()
        return {name: float(part) for name, part in zip(self.features, parts, strict=True)}

    def _scaled(self, features: Mapping[str, float]) -> Array:
        values = np.array([features[name] for name in self.features], dtype=np.float64)
        return np.asarray((values - np.array(self.means)) / np.array(self.scales))

    def _weights(self) -> Array:
        return np.array(self.coefficients, dtype=np.float64)


@dataclass(frozen=True)
class Detector:
    """A network's detector of wrong prompts.

    Attributes:
        slots: the regression of each slot.
        threshold: a prompt is rejected where the greatest of its words' probabilities exceeds this.
        patients: validation patients on whom it was fitted.
    """

    slots: dict[str, SlotModel]
    threshold: float
    patients: int

    def wrong(self, features: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """The probability that each slot's word is wrong.

        Args:
            features: by slot, all of the detector's or some.
        """
        return {
            slot: self.slots[slot].wrong(own) if slot in self.slots else 0.5
            for slot, own in features.items()
        }

    def to_json(self) -> dict[str, Any]:
        """The detector as plain values."""
        return {
            "slots": {slot: asdict(model) for slot, model in self.slots.items()},
            "threshold": self.threshold,
            "patients": self.patients,
            "rejected_right_at_most": REJECTED_RIGHT,
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Detector":
        """The detector that `to_json` wrote.

        Raises:
            InputError: the values are of something else.
        """
        try:
            slots = {
                str(slot): SlotModel(
                    tuple(own["features"]),
                    _floats(own["means"]),
                    _floats(own["scales"]),
                    _floats(own["coefficients"]),
                    float(own["intercept"]),
                )
                for slot, own in values["slots"].items()
            }
            return cls(slots, float(values["threshold"]), int(values["patients"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                "detector.json: no detector of wrong prompts; run the stage prompt_check again"
            ) from error


def fit_detector(table: "pd.DataFrame") -> Detector:
    """Fit a detector and choose its threshold.

    The threshold is chosen on scores that each patient gets from a detector that was fitted without her,
    so that it holds for new patients; with n of them, the next right prompt exceeds the greatest of n
    scores with probability 1 / (n + 1). One patient alone is scored by the detector that she made. Without
    any the detector knows nothing and never warns.

    Args:
        table: validation patients' features: columns `KEYS` and features; NaN where a slot has no such.
    """
    patients = sorted(set(table["patient"]))
    models, left_out = {}, []
    for slot in dict.fromkeys(str(slot) for slot in table["slot"]):
        models[slot], right = _fit_slot(table[table["slot"] == slot], slot)
        left_out.append(right)
    # The most doubtful word of each patient's right prompt; a slot that she does not state is missing.
    doubts = [max(of[name] for of in left_out if name in of) for name in patients]
    threshold = warning_threshold(doubts) if doubts else 1.0
    return Detector(models, threshold, len(patients))


def warning_threshold(doubts: Sequence[float]) -> float:
    """The smallest of the right prompts' scores that at most `REJECTED_RIGHT` of them exceed."""
    allowed = math.floor(REJECTED_RIGHT * len(doubts))
    return sorted(doubts, reverse=True)[allowed]


def _fit_slot(rows: "pd.DataFrame", slot: str) -> tuple[SlotModel, dict[str, float]]:
    """A slot's regression, and how doubtful it finds each patient's right word when fitted without her.

    Of equally good penalties the greater one.
    """
    own = rows[rows["asked"].isin([TRUE, WRONG + slot])]
    tried = []
    for penalty in sorted(PENALTIES, reverse=True):
        loss, doubts = _left_out(own, penalty)
        tried.append((loss, -penalty, doubts))
    loss, penalty, doubts = min(tried, key=lambda one: one[:2])
    return fit_words(own, -penalty), doubts


def _left_out(rows: "pd.DataFrame", penalty: float) -> tuple[float, dict[str, float]]:
    """Mean -ln p(own answer) of patients who are left out in turn, and their right words' probabilities."""
    loss, doubts = 0.0, {}
    alone = rows["patient"].nunique() == 1
    for patient, hers in rows.groupby("patient", sort=True):
        model = fit_words(rows if alone else rows[rows["patient"] != patient], penalty)
        for row in records(hers):
            wrong = model.wrong(row)
            right = row["asked"] == TRUE
            loss -= math.log(max(1 - wrong if right else wrong, 1e-12))
            if right:
                doubts[str(patient)] = wrong
    return round(loss / len(rows), 9), doubts


def fit_words(rows: "pd.DataFrame", penalty: float) -> SlotModel:
    """The regression of one slot's right and wrong words.

    Args:
        rows: features of both; those that have a value everywhere count.
        penalty: above 0.
    """
    names = [str(name) for name in rows if name not in KEYS and rows[name].notna().all()]
    x = rows[names].to_numpy(dtype=np.float64)
    wrong = (rows["asked"] != TRUE).to_numpy()
    means, spread = x.mean(axis=0), x.std(axis=0)
    scales = np.where(spread > 0, spread, 1.0)
    coefficients, intercept = fit_logistic((x - means) / scales, wrong, penalty)
    return SlotModel(
        tuple(names), _floats(means), _floats(scales), _floats(coefficients), intercept
    )


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def word_probabilities(table: "pd.DataFrame", models: Mapping[str, SlotModel]) -> "pd.DataFrame":
    """The probability that each examined word is wrong: `patient, asked, slot, wrong`.

    Args:
        table: columns `KEYS` and features, of the slots that `models` know; of others it is 1/2.
        models: by slot.
    """
    import pandas as pd

    rows = [
        {name: row[name] for name in ("patient", "asked", "slot")}
        | {"wrong": models[row["slot"]].wrong(row) if row["slot"] in models else 0.5}
        for row in records(table)
    ]
    return pd.DataFrame(rows, columns=["patient", "asked", "slot", "wrong"])


def prompt_doubts(words: "pd.DataFrame") -> "pd.DataFrame":
    """How doubtful each whole prompt is, that of its most doubtful word: `patient, asked, doubt`.

    In a prompt with one wrong word the others are as doubtful as in the right prompt: there they were
    examined.

    Args:
        words: as `word_probabilities` gives them.
    """
    import pandas as pd

    right = {
        (row["patient"], row["slot"]): row["wrong"]
        for row in records(words[words["asked"] == TRUE])
    }
    rows = []
    for (patient, asked), own in words.groupby(["patient", "asked"], sort=False):
        examined = dict(zip(own["slot"], own["wrong"], strict=True))
        taken = {slot: p for (name, slot), p in right.items() if name == patient}
        doubt = max((taken | examined).values())
        rows.append({"patient": patient, "asked": asked, "doubt": float(doubt)})
    return pd.DataFrame(rows, columns=["patient", "asked", "doubt"])
