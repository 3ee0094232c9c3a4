"""Whole volumes in print: rows from made-up scores, and notes that follow the numbers."""

import math

import pandas as pd
import pytest
import volumes
from scipy.stats import norm

from textbcs.base.variants import volume_methods
from textbcs.evaluation.statistics.intervals import ALL_EQUAL
from textbcs.reporting.common.source_labels import (
    attribute_label,
    source_label,
    source_place,
)
from textbcs.reporting.volumes import (
    agreement_with_the_case,
    compared_sources,
    given_away,
    scores_by_prompt,
    scores_notes,
    wrong_words,
)
from textbcs.reporting.volumes.scores_by_prompt import Scores
from textbcs.reporting.volumes.volume_errors import WIDTH, agreement

METHODS = volume_methods(volumes.PARAMS)


def scores(seeds: tuple[int, ...] = (1,)) -> Scores:
    patients = volumes.all_patients(seeds)
    parts = (volumes.points, volumes.means, volumes.mamamia)
    points, means, mamamia = (one(patients) for one in parts)
    return Scores(points, patients, means, mamamia)


def rows(seeds: tuple[int, ...] = (1,)) -> list[dict]:
    return scores_by_prompt.score_values(scores(seeds), METHODS, volumes.TOLERANCES)


def test_networks_and_sources_stand_in_the_order_of_the_parameters() -> None:
    found = [(row["method"], row["source"]) for row in rows()]
    assert list(dict.fromkeys(method for method, _ in found)) == [
        *("unet", "nnunet", "lvit", "textbcs", "textbcs_plus_no_text", "textbcs_plus")
    ]
    assert [source for method, source in found if method == "lvit"] == list(volumes.TEXT)


def test_values_are_those_of_the_patients() -> None:
    """Against pandas on the rows that they come from."""
    row = next(one for one in rows() if (one["method"], one["source"]) == ("lvit", "automatic"))
    own = volumes.patient_rows("lvit", "automatic")
    errors = own["predicted_ml"] - own["reference_ml"]
    assert row["dice"] == pytest.approx(100 * own["dice"].mean())
    assert row["dice_high"] == pytest.approx(110 * own["dice"].mean())
    assert row["false_ml"] == pytest.approx(own["false_ml"].mean())
    assert row["volume_error_ml"] == pytest.approx(errors.mean())
    assert row["volume_error_ml_low"] == pytest.approx(errors.mean() - 1.96 * errors.std())
    assert row["performance"] == pytest.approx(75)
    assert math.isnan(row["fairness_density"])


def test_limits_of_agreement_hold_95_percent_of_normal_errors() -> None:
    assert norm.cdf(WIDTH) - norm.cdf(-WIDTH) == pytest.approx(0.95, abs=1e-4)
    found = agreement([2.0, 4.0, 9.0], [1.0, 4.0, 7.0])
    assert (found.bias, found.low, found.high) == pytest.approx((1, 1 - WIDTH, 1 + WIDTH))
    alone = agreement([2.0], [1.0])
    assert (alone.bias, math.isnan(alone.low)) == (1.0, True)
    assert math.isnan(agreement([], []).bias)


def test_a_seed_has_a_row_and_a_column_of_its_own() -> None:
    one, two = rows(), rows((1, 2))
    assert len(two) == 2 * len(one)
    assert "seed" in scores_by_prompt.headers(volumes.TOLERANCES, 2)
    assert "seed" not in scores_by_prompt.headers(volumes.TOLERANCES, 1)
    assert any(", seed 2," in line for line in scores_notes.in_use(two))
    assert not any("seed" in line for line in scores_notes.in_use(one))


def test_a_cell_holds_its_interval_where_there_is_one() -> None:
    text = scores_by_prompt.interval_text
    assert text(64.25, 60.0, 70.04, 9) == "64.2 (60.0 to 70.0)"
    assert text(0.5, -0.001, 1.0, 9) == "0.50 (0.00 to 1.00)"
    assert text(0.0, math.nan, math.nan, 9) == "0.00"
    assert text(math.nan, math.nan, math.nan, 9) == "–"
    assert ALL_EQUAL not in text(1.0, math.nan, 1.0, 9)


def test_notes_say_what_leaks_only_where_it_stands_in_the_table() -> None:
    every = rows()
    said = scores_notes.score_notes(volumes.PARAMS, every)
    assert {scores_notes.SLICE_LEAK, scores_notes.CASE_LEAK} <= set(said)
    assert any("Fairness by breast density is left out" in line for line in said)
    assert any("empty 1 of 8" in line and "automatic" not in line for line in said)
    plain = [row for row in every if row["source"] == "none"]
    bare = scores_notes.score_notes(volumes.PARAMS, plain)
    assert not {scores_notes.SLICE_LEAK, scores_notes.CASE_LEAK} & set(bare)
    assert not any("diagonal" in line for line in bare)
    unknown = [row | {"performance": math.nan} for row in plain]
    assert scores_notes.CHALLENGE not in "".join(scores_notes.score_notes(volumes.PARAMS, unknown))


def test_differences_are_points_of_shares_and_plain_counts() -> None:
    values = compared_sources.difference_values(volumes.comparisons(), volumes.TOLERANCES)
    printed = compared_sources.difference_rows(values)
    assert [row["subtrahend"] for row in printed] == [
        *("nnUNet", "textbcs_plus_no_text", "textbcs_plus, the case's own")
    ]
    assert printed[0]["dice"] == "5.00 (1.00 to 8.00)"
    assert printed[0]["false_components"] == "0.50 (0.01 to 0.08)"
    headings = compared_sources.headers(volumes.TOLERANCES, 1)
    assert headings["dice"] == "Dice, points"
    assert headings["false_components"] == "False components per patient"
    assert "seed" in compared_sources.headers(volumes.TOLERANCES, 2)
    above, below, unclear, outside = compared_sources.difference_notes(values)
    assert above == "Dice, interval above 0: textbcs_plus, the case's own, against nnUNet."
    assert "below 0: textbcs_plus, the case's, other side, against" in below
    assert "on both sides of 0: textbcs_plus, automatic, against" in unclear
    assert outside == compared_sources.OUTSIDE
    assert compared_sources.difference_notes([]) == [compared_sources.OUTSIDE]


def test_the_detector_wins_what_the_fall_back_adds() -> None:
    told, rates = volumes.detection()
    values = wrong_words.detection_values({"textbcs": told}, {"textbcs": rates})
    assert [row["gain"] for row in values] == pytest.approx([0, 19, 0, 19])
    assert [row["auroc"] for row in values] == [0.97, 0.97, 0.6, 0.6]
    printed = wrong_words.detection_rows(values)
    assert printed[0]["auroc"] == "0.97 (0.50 to 0.99)"
    assert [row["error_rate"] for row in printed[:2]] == ["1", "20"]
    assert printed[1]["gain"] == "19.0 (0.0 to 30.0)"


def test_leaks_stand_in_the_order_of_sources() -> None:
    printed = given_away.leak_rows(given_away.leak_values(volumes.leak()))
    assert [row["source"] for row in printed] == ["slice", "slice", "automatic"]
    assert [row["word"] for row in printed] == ["location", "all words", "all words"]
    assert printed[2]["prior_dice"] == pytest.approx(20)
    assert printed[2]["interval"] == "10.00 to 30.00"
    assert printed[0]["interval"] == "–"  # no Dice, no limits


def test_agreement_has_wilsons_interval_and_test_first() -> None:
    values = agreement_with_the_case.agreement_values(volumes.agreed())
    assert [(row["split"], row["source"]) for row in values] == [
        *(("test", "automatic"), ("test", "report"), ("val", "automatic"), ("val", "report"))
    ]
    # Wilson (1927) by its formula: 6 of 8.
    z = norm.ppf(0.975)
    middle, half = (
        (6 + z**2 / 2) / (8 + z**2),
        z / (8 + z**2) * math.sqrt(6 * 2 / 8 + z**2 / 4),
    )
    assert (values[0]["low"], values[0]["high"]) == pytest.approx(
        (100 * (middle - half), 100 * (middle + half))
    )
    nobody = pd.DataFrame([("test", "report", "size", 0, 0)], columns=volumes.agreed().columns)
    printed = agreement_with_the_case.agreement_rows(
        agreement_with_the_case.agreement_values(nobody)
    )
    assert printed[0]["interval"] == "–"


def test_an_unknown_source_keeps_its_name_and_comes_last() -> None:
    assert source_label("dictated") == "dictated"
    assert source_place("dictated") > max(map(source_place, volumes.TEXT))
    assert attribute_label("size") == "size"
    assert attribute_label("any") == "any one word"
