"""The table of seeds: every training, the differences seed by seed, and what they decide."""

import numpy as np
import pytest
from scipy.stats import norm

from textbcs.reporting.tables.seeds import (
    NOT_MEASURED,
    ONE_TRAINING_SAYS,
    deviation_factors,
    seed_table,
)
from textbcs.stages.evaluation.replicates import spread

DICE = {"lvit": [66.0, 60.0, 66.0], "textbcs": [65.0, 58.0, 50.0], "unet": [58.0, 60.0, 59.0]}
LABELS = {"unet": "UNet", "lvit": "LViT", "textbcs": "TextBCS"}


def table(dice: dict[str, list[float]], every: list[int], seeds: list[int]):
    names = [name for name in ("unet", "lvit", "textbcs") if name in dice]
    return seed_table(spread(every, dice, "textbcs"), seeds, "textbcs", names, LABELS)


def test_a_row_holds_each_training_and_each_difference() -> None:
    headers, rows, _ = table(DICE, [1, 2, 3], [1])
    assert list(headers.values()) == [
        *("Method", "Dice %, seed 1", "Dice %, seed 2", "Dice %, seed 3", "Mean"),
        *("Standard deviation, points", "Range", "TextBCS minus it, points, seed by seed"),
        "TextBCS above it",
    ]
    unet, lvit, ours = rows
    assert [row["label"] for row in rows] == ["UNet", "LViT", "TextBCS"]
    assert (unet["seed_1"], unet["seed_2"], unet["seed_3"], unet["mean"]) == (58, 60, 59, 59)
    assert (unet["deviation"], unet["extent"]) == (1, "58.00 to 60.00")
    assert (unet["differences"], unet["above"]) == ("+7.00, -2.00, -9.00", "1 of 3")
    assert (unet["difference_seed_1"], unet["difference_seed_3"]) == (7, -9)
    assert (lvit["differences"], lvit["above"]) == ("-1.00, -2.00, -16.00", "0 of 3")
    assert "differences" not in ours
    assert ours["extent"] == "50.00 to 65.00"


def test_the_notes_say_what_the_seed_decides_and_what_three_seeds_do_not() -> None:
    first, second, mixed, chance, rough = table(DICE, [1, 2, 3], [1])[2]
    assert first.endswith("The other tables report seed 1.")
    assert second == ONE_TRAINING_SAYS
    assert mixed.startswith("The seed decides whether TextBCS is above UNet:")
    assert "one sign in 1 of 4 cases. No test of signs" in chance
    assert "from 0.52 to 6.28 times" in rough


def test_where_the_signs_agree_nothing_is_said_of_mixed_ones() -> None:
    dice = {"textbcs": [60.0] * 6, "unet": [50.0, 60.0, 50.0, 51.0, 52.0, 53.0]}
    seeds = list(range(1, 7))
    notes = table(dice, seeds, seeds)[2]
    assert len(notes) == 4
    assert "the mean over the seeds 1, 2, 3, 4, 5, 6" in notes[0]
    assert notes[2].endswith("one sign in 1 of 32 cases.")


def test_one_training_is_said_to_measure_nothing() -> None:
    headers, rows, notes = table({"textbcs": [60.0], "unet": [50.0]}, [1], [1])
    assert notes == [NOT_MEASURED]
    assert "seed_1" in headers
    assert (rows[0]["deviation"], rows[0]["extent"]) == (None, None)
    assert rows[0]["above"] == "1 of 1"


def test_a_difference_that_rounds_to_nothing_has_no_minus() -> None:
    dice = {"textbcs": [60.0, 61.0], "unet": [60.001, 60.0]}
    assert table(dice, [1, 2], [1])[1][0]["differences"] == "+0.00, +1.00"


def test_the_rough_limits_hold_the_truth_as_often_as_they_say() -> None:
    """Over equally likely pairs of normal scores, whose deviation is 1."""
    low, high = deviation_factors(2)
    grid = norm.ppf((np.arange(400) + 0.5) / 400)
    found = np.abs(grid[:, None] - grid[None, :]) / np.sqrt(2)
    held = (low * found <= 1) & (found * high >= 1)
    assert held.mean() == pytest.approx(0.95, abs=0.01)
