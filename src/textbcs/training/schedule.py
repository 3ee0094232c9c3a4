"""Learning rate as a function of the step, and what the plateau rule has seen."""

import math
from collections.abc import Mapping
from typing import Any

WARM_UP = 0.3  # share of the steps in which onecycle rises (torch's OneCycleLR)
START_DIVISOR = 25.0
END_DIVISOR = 25.0e4


class Schedule:
    """The learning rate of every step.

    Args:
        config: `learning_rate`, `schedule` and the values of the schedule that it names.
        steps: of an epoch.
        epochs: of the whole training, if nothing stops it.
    """

    def __init__(self, config: Mapping[str, Any], steps: int, epochs: int) -> None:
        self.config = config
        self.epoch_steps = steps
        self.steps = steps * epochs
        self.reductions = 0
        self.bad_epochs = 0
        self.best = -math.inf

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
        peak = float(self.config["learning_rate"])
        kind = self.config["schedule"]
        if kind == "plateau":
            return peak * float(self.config["plateau_factor"]) ** self.reductions
        if kind == "cosine":
            return _half_wave(peak, 0.0, step / self.steps)
        if kind == "restarts":
            # LViT's and UCTransNet's warm restarts: a half wave every `restart_epochs` epochs, and
            # never below `restart_minimum`, which may lie above a small peak (then it stays at the peak)
            period = int(self.config["restart_epochs"]) * self.epoch_steps
            least = min(peak, float(self.config["restart_minimum"]))
            return _half_wave(peak, least, (step % period) / period)
        if kind == "poly":
            left = 1 - step / self.steps
            return float(peak * left ** float(self.config["poly_power"]))
        if kind == "onecycle":
            return _one_cycle(peak, step, self.steps)
        return peak

    def epoch_end(self, score: float) -> None:
        """Take note of an epoch's validation score, higher is better.

        As torch's ReduceLROnPlateau: reduce once more than `plateau_patience` epochs in a row were
        no better than the best.
        """
        if score > self.best:
            self.best, self.bad_epochs = score, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > int(self.config["plateau_patience"]):
            self.reductions, self.bad_epochs = self.reductions + 1, 0

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"reductions": self.reductions, "bad_epochs": self.bad_epochs, "best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.reductions = state["reductions"]
        self.bad_epochs = state["bad_epochs"]
        self.best = state["best"]


def _one_cycle(peak: float, step: int, steps: int) -> float:
    """Rise from peak / 25 over the first 30 % of the steps, fall to almost nothing (Smith 2018)."""
    turn = WARM_UP * steps - 1
    if step <= turn:
        return _half_wave(peak / START_DIVISOR, peak, step / turn)
    return _half_wave(peak, peak / END_DIVISOR, (step - turn) / (steps - 1 - turn))


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
