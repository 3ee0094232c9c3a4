"""Ranks under resampled patients, and patients against seeds, as they are printed."""

import pandas as pd
import pytest

from textbcs.reporting.tables.stability import (
    ONE_SEED,
    RANKS,
    SEEDS,
    SEVERAL,
    likely_ranks,
    stability_table,
)

NAMES = ["unet", "textbcs", "lvit"]
SHARES = {"unet": [0.02, 0.08, 0.9], "textbcs": [0.6, 0.38, 0.02], "lvit": [0.38, 0.54, 0.08]}
RANKED = pd.DataFrame(
    [
        (metric, name, observed, rank, share if metric == "dice" else 1 / 3)
        for metric in ("iou", "dice")
        for name, observed in zip(NAMES, (3, 1, 2), strict=True)
        for rank, share in enumerate(SHARES[name], start=1)
    ],
    columns=["metric", "method", "observed_rank", "rank", "probability"],
)
COLUMNS = ["of", "metric", "var_patient", "var_seed", "run_to_run_sd"]


def test_one_seed_shows_ranks_alone_and_says_so() -> None:
    none = pd.DataFrame(columns=COLUMNS)
    headers, rows, notes = stability_table(RANKED, none, "textbcs", NAMES, {"lvit": "LViT"})
    assert headers == RANKS
    assert notes == [ONE_SEED]
    assert [row["label"] for row in rows] == ["unet", "textbcs", "LViT"]
    assert [row["observed_rank"] for row in rows] == [3, 1, 2]
    assert [row["likely_ranks"] for row in rows] == ["2 to 3", "1 to 2", "1 to 3"]
    assert [row["first_share"] for row in rows] == pytest.approx([2, 60, 38])


def test_several_seeds_split_the_variance() -> None:
    variance = pd.DataFrame(
        [
            ("unet", "dice", 0.04, 0.0009, 0.031),
            ("textbcs", "dice", 0.01, 0.0, 0.02),
            ("textbcs - unet", "dice", 0.0, 0.0, 0.05),
            ("unet", "iou", 9.0, 9.0, 9.0),
        ],
        columns=COLUMNS,
    )
    headers, rows, notes = stability_table(RANKED, variance, "textbcs", NAMES[:2], {})
    assert headers == RANKS | SEEDS
    assert notes == [SEVERAL]
    unet, ours = rows
    assert unet["patient_sd"] == pytest.approx(20)
    assert (unet["seed_sd"], unet["run_sd"]) == pytest.approx((3, 3.1))
    assert unet["difference_run_sd"] == pytest.approx(5)
    assert ours["difference_run_sd"] is None


@pytest.mark.parametrize(
    ("shares", "ranks"),
    [
        ([1.0, 0.0, 0.0], (1, 1)),
        ([0.0, 0.0, 1.0], (3, 3)),
        ([0.03, 0.94, 0.03], (1, 3)),
        ([0.02, 0.96, 0.02], (2, 2)),
        ([0.02, 0.02, 0.96], (2, 3)),
    ],
)
def test_ranks_hold_all_but_the_tails(shares: list[float], ranks: tuple[int, int]) -> None:
    assert likely_ranks(shares) == ranks
