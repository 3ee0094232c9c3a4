"""How far the seed alone moves a score, against numbers made by hand."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from textbcs.base.io import InputError, read_json, write_csv
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation.replicates import FILE, dice_percent, spread
from textbcs.stages.evaluation.replicates import run as replicates

PARAMS: dict[str, Any] = {
    "seeds": [1],
    "replicates": {"methods": ["unet", "textbcs"], "seeds": [2, 3]},
}


def slices(first: float, second: float) -> pd.DataFrame:
    """Patient a with two tumour slices around `first`, b with one and a tumour-free slice."""
    dice = {"a0": first - 0.1, "a1": first + 0.1, "b0": second, "b1": 0.0}
    rows = [
        {
            "slice_id": name,
            "patient": name[0],
            "kind": "negative" if name == "b1" else "tumour",
            "dice": value,
            "iou": value,
        }
        for name, value in dice.items()
    ]
    return pd.DataFrame(rows)


def write_runs(runs: dict[str, tuple[float, float]]) -> None:
    for name, (first, second) in runs.items():
        write_csv(f"results/evaluation/{name}/slices.csv", slices(first, second))


RUNS = {
    "unet-s1": (0.4, 0.6),  # 50
    "unet-s2": (0.4, 0.8),  # 60
    "unet-s3": (0.3, 0.5),  # 40
    "textbcs-s1": (0.5, 0.7),  # 60
    "textbcs-s2": (0.2, 0.8),  # 50
    "textbcs-s3": (0.7, 0.7),  # 70
}


def test_a_patient_counts_once_and_tumour_free_slices_do_not() -> None:
    assert dice_percent(slices(0.4, 0.7)) == pytest.approx(55)


def test_the_spread_of_three_seeds(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(PARAMS)
    write_runs(RUNS | {"textbcs-s9": (0.1, 0.1), "lvit-s1": (0.9, 0.9)})
    replicates(stage)
    found = read_json(FILE)
    assert sorted(found) == [
        "dice_patient_mean",
        "range",
        "seeds",
        "standard_deviation",
        "textbcs_minus",
    ]
    assert found["seeds"] == [1, 2, 3]
    assert found["dice_patient_mean"]["unet"] == pytest.approx([50, 60, 40])
    assert found["dice_patient_mean"]["textbcs"] == pytest.approx([60, 50, 70])
    assert found["standard_deviation"] == pytest.approx({"unet": 10, "textbcs": 10})
    assert found["range"]["unet"] == pytest.approx([40, 60])
    assert list(found["textbcs_minus"]) == ["unet"]
    assert found["textbcs_minus"]["unet"] == pytest.approx([10, -10, 30])


def test_where_every_method_has_several_seeds_all_count(stage_in: Callable[..., Stage]) -> None:
    repeated = PARAMS["replicates"]
    stage = stage_in(PARAMS | {"seeds": [3, 1], "replicates": {**repeated, "seeds": []}})
    write_runs(RUNS)
    replicates(stage)
    found = read_json(FILE)
    assert found["seeds"] == [3, 1]
    assert found["dice_patient_mean"]["unet"] == pytest.approx([40, 50])


def test_one_training_has_no_spread() -> None:
    found = spread([1], {"textbcs": [60.0], "unet": [50.0]}, "textbcs")
    assert found["standard_deviation"] == {"textbcs": None, "unet": None}
    assert found["range"] == {"textbcs": [60.0, 60.0], "unet": [50.0, 50.0]}
    assert found["textbcs_minus"] == {"unet": [10.0]}


def test_runs_on_other_slices_are_one_line(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(PARAMS)
    write_runs(RUNS)
    write_csv("results/evaluation/textbcs-s2/slices.csv", slices(0.4, 0.5).iloc[1:])
    with pytest.raises(InputError, match=r"textbcs-s2/slices.csv: holds other slices than unet-s1"):
        replicates(stage)
