"""Means against numpy and scipy, and what holds whatever the numbers are."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from textbcs.evaluation.volumes import comparisons as compared
from textbcs.evaluation.volumes.means import (
    by_patient,
    difference_interval,
    means,
    metric_interval,
    metrics,
)

DRAWN: dict[str, Any] = {"resamples": 999, "seed": 4}
TOLERANCES = [1.0]
PATIENTS = 14


def made(method: str, source: str = "none", gain: float = 0.0) -> pd.DataFrame:
    """Rows in no order of patients; the patients' own difficulty is the same for all methods."""
    shared, own = np.random.default_rng(1), np.random.default_rng([len(method), len(source)])
    rows = []
    for number in shared.permutation(PATIENTS):
        lesions = 1 + int(number) % 3
        value = 0.5 + 0.03 * int(number) % 0.3 + own.normal(0, 0.02) + gain
        row: dict[str, Any] = {
            "method": method,
            "seed": 1,
            "source": source,
            "patient": f"p{number:02d}",
        }
        row |= {
            "dice": value,
            "nsd_1mm": value / 2,
            "hd95_mm": 20 * own.random(),
            "lesions": lesions,
        }
        row |= {
            "lesions_found": int(own.integers(0, lesions + 1)),
            "false_components": int(number) % 2,
        }
        rows.append(
            {**row, "false_ml": own.random(), "reference_ml": 2.0, "predicted_ml": 2 + value}
        )
    return pd.DataFrame(rows)


def test_every_metric_has_a_row_with_its_mean() -> None:
    table = made("unet")
    found = means(table, TOLERANCES, DRAWN).set_index("metric")
    assert found.index.tolist() == [*metrics(TOLERANCES), "volume_error_ml"]
    assert found["mean"]["dice"] == pytest.approx(table["dice"].mean())
    assert found["mean"]["volume_error_ml"] == pytest.approx(table["dice"].mean())
    pooled = table["lesions_found"].sum() / table["lesions"].sum()
    assert found["mean"]["lesion_sensitivity"] == pytest.approx(pooled)
    assert (found["patients"] == PATIENTS).all()
    assert (found["low"] < found["mean"]).all()
    assert (found["mean"] < found["high"]).all()


def test_the_sensitivitys_limits_are_scipys() -> None:
    """Of a ratio of two sums, patients resampled in pairs."""
    own = by_patient(made("unet"))
    found = metric_interval(own, "lesion_sensitivity", DRAWN)
    wanted = bootstrap(
        (own["lesions_found"].to_numpy(), own["lesions"].to_numpy()),
        lambda hit, all_, axis=-1: hit.sum(axis=axis) / all_.sum(axis=axis),
        paired=True,
        n_resamples=DRAWN["resamples"],
        method="BCa",
        rng=np.random.default_rng(DRAWN["seed"]),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.02)


def test_who_has_no_value_is_left_out_and_counted() -> None:
    table = made("unet")
    table.loc[3, "dice"] = math.nan
    found = metric_interval(by_patient(table), "dice", DRAWN)
    assert found.patients == PATIENTS - 1
    assert found.mean == pytest.approx(table["dice"].drop(3).mean())


@pytest.mark.parametrize("metric", ["dice", "lesion_sensitivity"])
def test_a_difference_is_paired_and_turns_its_sign(metric: str) -> None:
    one, other = by_patient(made("unet", gain=0.05)), by_patient(made("nnunet").iloc[::-1])
    found, back = (
        difference_interval(*pair, metric, DRAWN) for pair in ((one, other), (other, one))
    )
    apart = [metric_interval(table, metric, DRAWN).mean for table in (one, other)]
    assert found.mean == pytest.approx(apart[0] - apart[1]) == pytest.approx(-back.mean)
    assert found.low < found.mean < found.high
    with pytest.raises(ValueError, match="same patients"):
        difference_interval(one, other.iloc[1:], metric, DRAWN)


def test_who_is_compared_with_whom() -> None:
    asked = [("unet", "none"), ("nnunet", "none"), ("plus_no_text", "none"), ("lvit", "patient")]
    asked += [("plus", source) for source in ("automatic", "patient")]
    yardstick, twin = ("nnunet", "none"), ("plus_no_text", "none")
    use = [("plus", "automatic"), ("plus", "patient")]
    wanted = [(one, yardstick) for one in (asked[0], twin, asked[3], *use)]
    wanted += [(one, twin) for one in use] + [tuple(use)]
    assert compared.pairs(asked, ["plus"]) == wanted
    # Without nnU-Net the plain network is the yardstick, without either there is none.
    assert compared.pairs(asked[:1] + asked[3:4], []) == [(asked[3], asked[0])]
    assert compared.pairs(asked[3:4], []) == []


def test_comparisons_of_each_seed_stay_apart() -> None:
    parts = [made("nnunet"), made("plus", "patient", 0.1), made("plus", "automatic")]
    tables = pd.concat([*parts, *(part.assign(seed=2, dice=0.5) for part in parts)])
    found = compared.comparisons(tables, ["plus"], TOLERANCES, DRAWN)
    assert found.columns.tolist() == compared.COLUMNS
    assert len(found) == 2 * 3 * len(metrics(TOLERANCES))
    dice = found[found["metric"] == "dice"].set_index(["seed", "other", "source"])["difference"]
    assert dice[1, "nnunet", "patient"] == pytest.approx(
        parts[1]["dice"].mean() - parts[0]["dice"].mean()
    )
    assert (dice[2] == 0).all()
