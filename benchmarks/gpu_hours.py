"""How many GPU-hours a preset needs whole, from the images a second that its methods train with.

A training is reckoned to its cap of epochs; early stopping makes it shorter, so this is an upper bound. A
network that only answers takes a third of a training step for a slice. The numbers of slices are not known
before a cohort is made: they are arguments, and stand beside the hours.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from textbcs.base.variants import base_of, configuration
from textbcs.stage.definition import Definition

ANSWER = 1 / 3  # of a training step, a slice: forward without backward


@dataclass(frozen=True)
class Slices:
    """Sizes of a cohort: slices that train, validate, test; those of all test volumes together."""

    train: int
    val: int
    test: int
    volumes: int


def gpu_hours(
    definitions: Mapping[str, Definition],
    params: Mapping[str, Any],
    slices: Slices,
    images_per_s: Mapping[str, float],
) -> dict[str, Any]:
    """Hours by stage and in all.

    Args:
        definitions: of the stages that compute on the device, by address.
        params: all of the preset.
        slices: of the cohort.
        images_per_s: that each method of `params` trains with.
    """
    hours: dict[str, float] = {}
    for one in definitions.values():
        named = one.items.get("method") or one.items.get("variant") or "textbcs"
        method = base_of(params, named)
        speed = images_per_s.get(method, min(images_per_s.values()))
        seconds = _slices_seen(one.stage, named, params, slices) / speed
        hours[one.stage] = hours.get(one.stage, 0.0) + seconds / 3600
    return {
        "slices": asdict(slices),
        "hours": {stage: round(value, 2) for stage, value in hours.items()},
        "total": round(sum(hours.values()), 1),
    }


def _slices_seen(stage: str, name: str, params: Mapping[str, Any], slices: Slices) -> float:
    """What one job of a stage takes, in slices that a training sees."""
    if stage == "pretrain":
        pretraining = params["methods"][name]["initial"].get("pretraining") or {}
        return int(pretraining.get("epochs", 0)) * (slices.train + ANSWER * slices.val)
    an_epoch = slices.train + ANSWER * slices.val
    if stage == "search":
        return len(params["methods"][name]["grid"]) * int(params["search"]["epochs"]) * an_epoch
    if stage.startswith("train"):
        settings = {**params["training"], **configuration(params, name)["training"]}
        return int(settings["epochs"]) * an_epoch
    if stage.startswith(("volumes", "prompt_features")):
        return ANSWER * slices.volumes
    passes = 1 + int(params["evaluation"]["calibration"]["dropout_passes"])
    return ANSWER * passes * (slices.val + slices.test)
