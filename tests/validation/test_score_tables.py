"""Means, groups and differences against numbers that were taken by hand; small groups give none."""

import math

import numpy as np
import pandas as pd
import pytest

from textbcs.validation.score_tables import LEAST, Statistics, markdown, pairs, score_tables

HOW = Statistics([3.0], {"resamples": 199, "seed": 1})


def rows(model: str, source: str, dice: np.ndarray, big: int) -> list[dict[str, object]]:
    """Patients of whom the first `big` lie left."""
    return [
        {
            "model": model, "source": source, "patient": f"P{n:02d}", "manufacturer": "GE",
            "field_strength_t": "", "side": "left" if n < big else "right", "size": "small",
            "reliability": "ok", "dice": value, "nsd_3mm": value, "hd95_mm": 2.0,
            "lesions": 1 + n % 2, "lesions_found": 1, "false_components": 0, "false_ml": 0.0,
            "predicted_ml": 3.0, "reference_ml": 1.0,
        }
        for n, value in enumerate(dice)
    ]  # fmt: skip


def test_means_groups_and_differences() -> None:
    draw = np.random.default_rng(3)
    one, other = draw.uniform(0.5, 0.9, 14), draw.uniform(0.3, 0.9, 14)
    table = pd.DataFrame(rows("A", "none", one, 11) + rows("B", "automatic", other, 11))
    found = score_tables(table, HOW)
    means = found.means.set_index(["model", "metric"])
    assert means.loc[("A", "dice"), "mean"] == pytest.approx(one.mean())
    assert means.loc[("A", "dice"), "low"] < one.mean() < means.loc[("A", "dice"), "high"]
    assert means.loc[("A", "lesion_sensitivity"), "mean"] == pytest.approx(14 / 21)
    assert means.loc[("A", "volume_error_ml"), "mean"] == 2.0
    groups = found.subgroups.set_index(["model", "variable", "group", "metric"])
    assert groups.loc[("A", "side", "left", "dice"), "mean"] == pytest.approx(one[:11].mean())
    small = groups.loc[("A", "side", "right", "dice")]
    assert small["patients"] == 3 < LEAST
    assert math.isnan(small["mean"])
    assert groups.loc[("A", "field_strength_t", "not stated", "dice"), "patients"] == 14
    (dice,) = found.comparisons[found.comparisons["metric"] == "dice"].to_dict("records")
    assert (dice["model"], dice["other"], dice["other_source"]) == ("A", "B", "automatic")
    assert dice["difference"] == pytest.approx((one - other).mean())
    text = markdown(found, HOW, ["a note"])
    line = next(one for one in text.splitlines() if "| right |" in one and one.startswith("| A"))
    assert line.count("–") == 4, "no numbers of a small group"
    assert text.endswith("- a note\n")


def test_what_is_held_against_what() -> None:
    a, b = [("A", "automatic"), ("A", "given")], [("B", "automatic"), ("B", "given")]
    assert pairs(a) == [(("A", "given"), ("A", "automatic"))]
    assert pairs([*a, ("B", "none")])[1:] == [(one, ("B", "none")) for one in a]
    assert pairs([*a, *b])[2:] == list(zip(a, b, strict=True))
