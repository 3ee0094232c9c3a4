"""The data-fraction test on predictions made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, write_csv, write_tensors
from textbcs.dataset.slice_store import COLUMNS, Shard
from textbcs.evaluation.metrics.regions import Scopes
from textbcs.evaluation.statistics.runs import fraction_names
from textbcs.evaluation.uncertainty.data_fractions import fraction_rows
from textbcs.settings.presets import read_preset
from textbcs.stage.receipt import Stage

SIDE = 8
PARAMS: dict[str, Any] = {
    "seeds": [1],
    "tables": {"variants": ["half", "other", "tenth"]},
    "methods": {"textbcs": {"network": {}, "training": {}}},
    "training": {"fraction": 1.0},
    "variants": {
        "half": {"training": {"fraction": 0.5}},
        "other": {"loss": {}},
        "tenth": {"training": {"fraction": 0.1}},
        "not a row": {"training": {"fraction": 0.2}},
    },
}


def shard() -> Shard:
    """Patient a with two tumour slices, patient b with one and a tumour-free one."""
    facts = [
        ("a0", "a", "tumour"),
        ("a1", "a", "tumour"),
        ("b0", "b", "tumour"),
        ("b1", "b", "negative"),
    ]
    rows = [
        dict.fromkeys(COLUMNS, 0) | {"slice_id": i, "patient": p, "kind": k} for i, p, k in facts
    ]
    zeros = np.zeros((4, SIDE, SIDE))
    return Shard(pd.DataFrame(rows), zeros.astype(np.float16), zeros.astype(np.uint8))


def scopes() -> Scopes:
    region = np.zeros((4, SIDE, SIDE), bool)
    region[:, :2, :4] = True  # an eighth of the image
    return Scopes(region, region)


def write_run(name: str, inside: float, outside: float) -> None:
    vacuity = np.where(scopes().region, inside, outside)
    vacuity[1] *= 2
    folder = Path(f"results/evaluation/{name}-s1")
    table = shard().table[["slice_id", "patient", "kind"]].assign(dice=[0.2, 0.4, 0.8, np.nan])
    write_csv(folder / "slices.csv", table)
    write_tensors(
        Path(f"results/predictions/{name}-s1/maps.safetensors"),
        {"vacuity": vacuity.astype(np.float16)},
    )


def test_shares_grow_and_the_method_itself_is_the_last() -> None:
    assert list(fraction_names(PARAMS).items()) == [("tenth", 0.1), ("half", 0.5), ("textbcs", 1.0)]
    assert fraction_names(PARAMS | {"tables": {"variants": ["other"]}}) == {}
    assert fraction_names(read_preset("phantom")) == {}
    assert [round(100 * f) for f in fraction_names(read_preset("fractions")).values()] == [
        10,
        25,
        50,
        100,
    ]


def test_vacuity_is_a_patients_mean_over_tumour_slices(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(PARAMS)
    for name, inside in (("tenth", 0.5), ("half", 0.25), ("textbcs", 0.125)):
        write_run(name, inside, 0.125)
    table = fraction_rows(stage, shard(), scopes())
    assert table["method"].tolist() == ["tenth"] * 2 + ["half"] * 2 + ["textbcs"] * 2
    assert table["patient"].tolist() == ["a", "b"] * 3
    first = table.iloc[0]
    assert first["dice"] == pytest.approx(0.3)
    assert first["vacuity_region"] == pytest.approx((0.5 + 1.0) / 2)
    assert first["vacuity_outside"] == pytest.approx((0.125 + 0.25) / 2)
    assert first["vacuity_image"] == pytest.approx(0.75 / 8 + 7 * 0.1875 / 8)
    assert table["vacuity_region"].tolist()[1::2] == [0.5, 0.25, 0.125]


def test_a_head_without_vacuity_is_one_line(stage_in: Callable[..., Stage]) -> None:
    stage = stage_in(PARAMS)
    for name in ("tenth", "half", "textbcs"):
        write_run(name, 0.5, 0.1)
    empty = {"log_odds": np.zeros((4, SIDE, SIDE), np.float16)}
    write_tensors(Path("results/predictions/half-s1/maps.safetensors"), empty)
    with pytest.raises(InputError, match="half-s1/maps.safetensors: has no vacuity"):
        fraction_rows(stage, shard(), scopes())
