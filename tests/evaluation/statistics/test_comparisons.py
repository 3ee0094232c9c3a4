"""The tables of differences on runs made by hand."""

import numpy as np
import pandas as pd
import pytest
from made_runs import BOOTSTRAP, RULES, methods, slices
from scipy import stats

from textbcs.base.io import InputError
from textbcs.evaluation.statistics.comparisons import (
    TESTS,
    compare,
    levels,
    rank_table,
    subgroups,
    variance_table,
    verdicts,
)
from textbcs.evaluation.statistics.runs import Run, by_method, tumour_slices


def test_a_comparison_holds_what_scipy_says_of_the_pairs() -> None:
    runs = methods()
    table = compare(runs, "textbcs", ["dice", "nsd_1mm"], RULES)
    assert list(zip(table["metric"], table["baseline"], strict=True)) == [
        ("dice", "unet"),
        ("dice", "middle"),
        ("nsd_1mm", "unet"),
        ("nsd_1mm", "middle"),
    ]
    first = table.iloc[0]
    ours, theirs = (
        tumour_slices(runs[m], ["dice"]).set_index("slice_id") for m in ("textbcs", "unet")
    )
    patients = [t.groupby("patient")["dice"].mean() for t in (ours, theirs)]
    assert first["p_t_slice"] == pytest.approx(stats.ttest_rel(ours["dice"], theirs["dice"]).pvalue)
    assert first["p_t_patient"] == pytest.approx(stats.ttest_rel(*patients).pvalue)
    assert first["p_wilcoxon"] == pytest.approx(stats.wilcoxon(*patients).pvalue)
    assert first["difference"] == pytest.approx((patients[0] - patients[1]).mean())
    assert (first["patients"], first["slices"]) == (12, 24)
    assert first["low"] < first["difference"] < first["high"]
    # Two baselines: the smaller p doubles, the greater stays unless it would be the smaller one.
    for metric, own in table.groupby("metric"):
        p, adjusted = own["p_t_patient"].tolist(), own["holm_t_patient"].tolist()
        assert min(adjusted) == pytest.approx(2 * min(p)), metric
        assert max(adjusted) == pytest.approx(max(2 * min(p), *p)), metric


def test_a_clear_gain_is_one_for_all_tests_and_none_is_one_for_none() -> None:
    runs = methods() | {"copy": [Run("copy", 1, slices(0.1, 1))]}
    table = compare(runs, "textbcs", ["dice"], RULES).set_index("baseline")
    assert table.loc["unet", "significant_by"] == "t_slice t_patient sign_flip wilcoxon"
    assert table.loc["unet", "interval_excludes_zero"]
    assert not table.loc["unet", "disagree_unadjusted"]
    assert not table.loc["unet", "disagree_holm"]
    assert not table.loc["unet", "holm_changes_verdict"]
    assert table.loc["unet", "win_share"] == 1
    assert table.loc["copy", "significant_by"] == ""
    assert not table.loc["copy", "disagree_unadjusted"]
    assert table.loc["copy", "difference"] == 0


def test_disagreement_is_flagged() -> None:
    # One patient with many slices gains, two with one slice each lose: slices say yes, patients no.
    names = ["a"] * 30 + ["b", "c"]
    base = pd.DataFrame(
        {
            "slice_id": [f"s{i:02d}" for i in range(32)],
            "patient": names,
            "kind": "tumour",
            "dice": 0.5,
        }
    )
    other = base.assign(
        dice=0.5 - np.where(base["patient"] == "a", 0.1, -0.1) - np.linspace(0, 0.01, 32)
    )
    runs = {"textbcs": [Run("textbcs", 1, base)], "unet": [Run("unet", 1, other)]}
    found = compare(runs, "textbcs", ["dice"], RULES).iloc[0]
    assert found["significant_by"] == found["significant_unadjusted_by"] == "t_slice"
    assert found["disagree_unadjusted"]
    assert found["disagree_holm"]
    assert not found["holm_changes_verdict"]


@pytest.mark.parametrize(
    ("holm", "low", "expected"),
    [
        # The case that once was called a disagreement after Holm: all adjusted values are above 0.05,
        # the unadjusted interval alone is clear of 0.
        (0.2, 0.01, (True, False, True)),
        (0.04, 0.01, (True, True, False)),
        (0.2, -0.01, (True, False, True)),
    ],
)
def test_like_is_held_against_like(
    holm: float, low: float, expected: tuple[bool, bool, bool]
) -> None:
    raw = {"p_t_slice": 0.01, "p_t_patient": 0.06, "p_sign_flip": 0.06, "p_wilcoxon": 0.11}
    adjusted = {name.replace("p_", "holm_"): 0.3 for name in raw} | {"holm_t_slice": holm}
    found = verdicts({**raw, **adjusted, "low": low, "high": 0.1}, 0.05)
    names = ("disagree_unadjusted", "disagree_holm", "holm_changes_verdict")
    assert tuple(found[name] for name in names) == expected
    assert found["significant_unadjusted_by"] == "t_slice"


def test_unadjusted_tests_that_agree_with_their_interval() -> None:
    clear = {f"p_{test}": 0.01 for test in TESTS} | {f"holm_{test}": 0.3 for test in TESTS}
    found = verdicts({**clear, "low": 0.01, "high": 0.1}, 0.05)
    assert (found["disagree_unadjusted"], found["disagree_holm"]) == (False, False)
    assert found["holm_changes_verdict"]
    assert verdicts({**clear, "low": -0.01, "high": 0.1}, 0.05)["disagree_unadjusted"]


def test_seeds_are_averaged_per_slice() -> None:
    runs = methods((1, 2))
    both = tumour_slices(runs["unet"], ["dice"]).set_index("slice_id")["dice"]
    one, two = (
        tumour_slices([run], ["dice"]).set_index("slice_id")["dice"] for run in runs["unet"]
    )
    assert both.tolist() == pytest.approx(((one + two) / 2).tolist())
    assert compare(runs, "textbcs", ["dice"], RULES)["seeds"].tolist() == [2, 2]


def test_runs_of_other_slices_are_refused() -> None:
    with pytest.raises(InputError, match="unet-s2/slices.csv: holds other slices than unet-s1"):
        by_method([Run("unet", 1, slices()), Run("unet", 2, slices().iloc[1:])])


def test_subgroups_divide_the_tumour_slices() -> None:
    vendors = {f"p{n:02d}": "SIEMENS" if n < 6 else "GE" for n in range(11)}
    found = levels(slices(), vendors)
    assert {name: len(table) for name, table in found.items()} == dict.fromkeys(found, 24)
    assert found["vendor"]["p11-z0"] == "unknown"
    assert found["lesions"]["p01-z0"] == "two or more"
    assert found["size"].value_counts().max() <= 10
    table = subgroups(methods(), "textbcs", vendors, BOOTSTRAP)
    one = table[(table["subgroup"] == "side") & (table["level"] == "left")].set_index("method")
    assert one["patients"].tolist() == [6, 6, 6]
    assert np.isnan(one.loc["textbcs", "reference_minus_method"])
    gap = one.loc["textbcs", "dice"] - one.loc["unet", "dice"]
    assert one.loc["unet", "reference_minus_method"] == pytest.approx(gap)
    assert table["level"].drop_duplicates().tolist()[:2] == ["one", "two or more"]


def test_ranks_and_variance() -> None:
    table = rank_table(methods(), ["dice"], BOOTSTRAP)
    assert table.groupby("method")["probability"].sum().tolist() == pytest.approx([1, 1, 1])
    best = table[(table["method"] == "textbcs") & (table["rank"] == 1)].iloc[0]
    assert (best["observed_rank"], best["probability"]) == (1, 1)
    assert variance_table(methods(), "textbcs", ["dice"]).empty
    split = variance_table(methods((1, 2, 3)), "textbcs", ["dice"]).set_index("of")
    assert set(split.index) == {"unet", "middle", "textbcs", "textbcs - unet", "textbcs - middle"}
    assert split.loc["unet", "var_patient"] > 10 * split.loc["unet", "var_residual"]
    # A difference takes the patient out.
    assert split.loc["textbcs - unet", "var_patient"] < split.loc["unet", "var_patient"] / 10
