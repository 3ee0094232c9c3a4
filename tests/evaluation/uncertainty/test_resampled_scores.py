"""Tables with limits from scores that are made by hand."""

import numpy as np
import pytest

from textbcs.evaluation.statistics.cluster_bootstrap import draw, interval, mean
from textbcs.evaluation.uncertainty import resampled_scores
from textbcs.evaluation.uncertainty.assessment_samples import Sample
from textbcs.evaluation.uncertainty.resampled_scores import ProbabilitySet

DRAWS = draw(9, 300, 2, 0.95)
HARD = np.random.default_rng(0).normal(0, 5, 9)  # what makes a patient hard for every method


def sample(shift: float, map_name: str, seed: int = 1) -> Sample:
    own = HARD + shift + np.random.default_rng(seed).normal(0, 0.01, 9)
    scores = mean(DRAWS, own, np.ones(9))
    return Sample({"dice": scores, f"{map_name}_auroc_image": scores}, {"image": scores[:, None]})


def test_seeds_are_averaged_in_every_sample() -> None:
    both = {ProbabilitySet("unet"): [sample(0.0, "entropy", 1), sample(1.0, "entropy", 2)]}
    table = resampled_scores.score_rows(both, DRAWS).set_index("measure")
    one, two = (each.scores["dice"] for each in both[ProbabilitySet("unet")])
    wanted = interval((one + two) / 2, DRAWS)
    row = table.loc["dice"]
    assert (row["value"], row["low"], row["high"]) == (wanted.mean, wanted.low, wanted.high)
    assert (row["patients"], row["seeds"], row["kind"]) == (9, 2, "raw")


def test_a_difference_is_paired_and_each_head_brings_its_own_doubt() -> None:
    with_it, without = ProbabilitySet("textbcs"), ProbabilitySet("ablation_svli")
    samples = {with_it: [sample(0.5, "vacuity", 1)], without: [sample(0.0, "entropy", 2)]}
    pairs = [(with_it, without), (with_it, ProbabilitySet("not trained"))]
    table = resampled_scores.difference_rows(samples, pairs, DRAWS)
    assert set(table["measure"]) == {"dice", "own_auroc_image"}
    for _, row in table.iterrows():
        # Patients differ by 5, their differences by 0.02.
        assert 0.4 < row["low"] < row["value"] < row["high"] < 0.6
        assert (row["first"], row["second"]) == ("textbcs", "ablation_svli")


def test_a_diagram_has_limits_of_each_bin_and_of_its_error() -> None:
    own = sample(0.0, "entropy")
    own.scores["ece_image"] = own.scores["dice"]
    diagram = {"probability": [0.2], "frequency": [0.1], "count": [5]}
    assessed = {"image": {"ece": 0.1, "reliability": diagram}}
    table = resampled_scores.diagram_rows(ProbabilitySet("unet"), 1, assessed, own, DRAWS)
    wanted = interval(own.scores["dice"], DRAWS)
    row = table.iloc[0]
    assert (row["low"], row["high"]) == (wanted.low, wanted.high)
    assert (row["ece_low"], row["ece_high"]) == (wanted.low, wanted.high)
    assert (row["bin"], row["frequency"], row["count"]) == (1, pytest.approx(0.1), 5)
