"""Kappa against a textbook table, its definition, and resampling written out."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from textbcs.evaluation.statistics.agreement import agreement, kappa, kappa_interval

BOOTSTRAP = {"resamples": 400, "seed": 3}


def test_kappa_of_a_textbook_table() -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5, kappa 0.4."""
    assert kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_kappa_of_three_categories() -> None:
    """Three categories: its definition, written out."""
    table = np.array([[0.25, 0.13, 0.12], [0.12, 0.02, 0.16], [0.03, 0.15, 0.02]])
    observed, rows, columns = np.trace(table), table.sum(1), table.sum(0)
    assert kappa(table) == pytest.approx((observed - rows @ columns) / (1 - rows @ columns))
    assert kappa(np.diag([3, 4, 5])) == 1
    assert np.isnan(kappa(np.diag([3, 0, 0])))


def test_its_interval_resamples_patients() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, 200)
    second = np.where(rng.random(200) < 0.7, first, rng.integers(0, 3, 200))
    patients = np.repeat(np.arange(40), 5)
    value, low, high = kappa_interval(first, second, patients, **BOOTSTRAP)
    assert low < value < high
    # As one single patient there is nothing to resample.
    alone = kappa_interval(first, second, np.zeros(200), **BOOTSTRAP)
    assert alone[0] == pytest.approx(value)
    assert np.isnan(alone[1:]).all()


@pytest.mark.parametrize("agree", [0.5, 0.9])
def test_its_limits_are_those_of_scipy(agree: float) -> None:
    """Scipy resamples the patients' own confusion matrices; its draws are others."""
    rng = np.random.default_rng(int(10 * agree))
    first = rng.integers(0, 3, 120)
    second = np.where(rng.random(120) < agree, first, rng.integers(0, 3, 120))
    patients = np.repeat(np.arange(30), 4)
    each = np.zeros((30, 3, 3))
    np.add.at(each, (patients, first, second), 1)
    wanted = stats.bootstrap(
        (np.arange(30),), lambda chosen, axis: kappa(each[chosen].sum(axis=1)) if chosen.ndim > 1
        else float(kappa(each[chosen].sum(axis=0))),
        method="BCa", n_resamples=9999, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = kappa_interval(first, second, patients, resamples=9999, seed=2, confidence=0.95)
    assert found[1:] == pytest.approx((wanted.low, wanted.high), abs=0.012)


def test_full_agreement_has_no_limits() -> None:
    ratings = np.arange(30) % 3
    found = kappa_interval(ratings, ratings, np.repeat(np.arange(10), 3), **BOOTSTRAP)
    assert found[0] == 1
    assert np.isnan(found[1:]).all()


def answers(*pairs: tuple[str, str]) -> pd.DataFrame:
    rows = []
    for number, (true, automatic) in enumerate(pairs):
        facts = {"slice_id": f"s{number}", "patient": f"p{number // 2}", "kind": "tumour"}
        rows += [
            {**facts, "probe": p, "prompt": t}
            for p, t in (("true", true), ("automatic", automatic))
        ]
    return pd.DataFrame(rows)


def test_attributes_are_compared_one_by_one_and_silence_is_counted() -> None:
    left = "location left; shape round; size small; number "
    right = "location right; shape round; size large; number "
    rows = answers(
        (left + "one", left + "one"),
        (left + "four", left + "seven"),  # three and more are one class
        (right + "one", right + "two"),
        (right + "one", left + "one"),
        (right + "one", ""),
    )
    found = agreement(rows, BOOTSTRAP).set_index("attribute")
    assert found["slices"].tolist() == [4] * 4
    assert found["without"].tolist() == [1] * 4
    assert found["agreement"].tolist() == [0.75, 1.0, 0.75, 0.75]
    # Given 2 left and 2 right, automatic 3 and 1: chance 0.5, (0.75 - 0.5) / 0.5.
    assert found.loc["location", "kappa"] == pytest.approx(0.5)
    assert np.isnan(found.loc["shape", "kappa"])
    # Number: given 3 one, 1 more; automatic 2, 1 two, 1 more: chance (3*2 + 0*1 + 1*1) / 16.
    assert found.loc["number", "kappa"] == pytest.approx((0.75 - 7 / 16) / (1 - 7 / 16))


def test_a_first_pass_that_finds_nothing_leaves_nothing_to_compare() -> None:
    text = "location left; shape round; size small; number one"
    found = agreement(answers((text, ""), (text, "")), BOOTSTRAP)
    assert found["slices"].tolist() == [0] * 4
    assert found["kappa"].isna().all()
