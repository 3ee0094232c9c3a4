"""Who learns: the table and its sentences."""

import pandas as pd
import pytest

from textbcs.reporting.tables.trivial_rows import HEADERS, trivial_rows, verdicts


def table(**lows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "method": method,
                "trivial": trivial,
                "patients": 28,
                "dice": 0.5,
                "trivial_dice": 0.2 * (trivial == "prior"),
                "difference": low + 0.1,
                "low": low,
                "high": low + 0.2,
                "above": low > 0,
            }
            for method, pair in lows.items()
            for trivial, low in zip(("empty", "prior"), pair, strict=True)
        ]
    )


def test_a_method_learns_where_both_lower_limits_are_above_zero() -> None:
    rows = trivial_rows(
        table(unet=(0.3, 0.1), clip=(0.2, -0.05), lvit=(-0.01, -0.3)),
        ["unet", "clip", "lvit"],
        {"unet": "UNet"},
    )
    assert [row["label"] for row in rows[:3]] == ["UNet", "clip", "lvit"]
    assert [row["learns"] for row in rows[:3]] == ["yes", "no", "no"]
    assert rows[1]["over_prior"] == pytest.approx(5)
    assert rows[1]["over_prior_interval"] == "-5.00 to 15.00"
    assert set(HEADERS) <= set(rows[0])
    assert rows[3]["dice"] == pytest.approx(20)
    said = verdicts(rows)
    assert len(said) == 2
    assert said[0].startswith("clip is not shown to learn")
    assert "empty" not in said[0]
    assert "empty" in said[1]
    assert "mean mask" in said[1]


def test_where_all_learn_one_sentence_says_so() -> None:
    rows = trivial_rows(table(unet=(0.3, 0.1), clip=(0.2, 0.05)), ["unet", "clip"], {})
    assert verdicts(rows) == ["All 2 rows are above both, by the lower limits of their intervals."]
