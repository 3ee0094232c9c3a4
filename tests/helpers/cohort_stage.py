"""Parameters and stages for the tests of the cohort room; no fixture, so that any test may import it."""

import copy
from pathlib import Path
from typing import Any

from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage

ROOT = Path(__file__).parents[2]
PATIENTS = 6


def small_params() -> dict[str, Any]:
    """The tiny preset with few patients and both phases."""
    params = copy.deepcopy(read_preset("tiny", ROOT / "presets"))
    params["cohort"]["phases"] = ["pre", "post1"]
    params["phantom"] |= {"patients": PATIENTS, "seed": 11, "slices": 10, "matrix": 48}
    return params


def make_stage(params: dict[str, Any], name: str = "probe") -> Stage:
    """A stage that may read and write below data/ of the working folder."""
    return Stage(
        Definition(name, (), ("data", params["cohort"]["index"]), ("data",)), params, [name]
    )
