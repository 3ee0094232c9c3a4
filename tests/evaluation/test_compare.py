"""The statistics stage on runs made by hand: every number can be worked out from how they were made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from textbcs.evaluation import means
from textbcs.evaluation.compare import calibration_means, statistics
from textbcs.evaluation.comparisons import (
    TESTS,
    compare,
    levels,
    rank_table,
    subgroups,
    variance_table,
    verdicts,
)
from textbcs.evaluation.runs import Run, by_method, tumour_slices
from textbcs.evaluation.statistics import mean_interval
from textbcs.io import InputError, read_csv, write_csv, write_json
from textbcs.receipt import Stage

BOOTSTRAP = {"resamples": 299, "seed": 1, "confidence": 0.95}
RULES = {
    "bootstrap": BOOTSTRAP,
    "permutation": {"resamples": 2000, "seed": 3},
    "nsd_tolerances_mm": [1.0, 2.5],
}
NSD = ["nsd_1mm", "nsd_2.5mm"]
PATIENTS = 12


def slices(gain: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Twelve patients with one to three tumour slices and two tumour-free ones; `gain` is added to Dice."""
    shared, own = np.random.default_rng(9), np.random.default_rng([7, seed])
    rows = []
    for number in range(PATIENTS):
        for z in range(number % 3 + 1):
            dice = float(np.clip(shared.beta(5, 3) + gain + own.normal(0, 0.02), 0.01, 0.99))
            hit = round(100 * dice)
            rows.append(row(number, z, "tumour", (hit, 100 - hit, 100 - hit, 9000), dice))
        rows += [row(number, z, "negative", (0, 0, 0, 9216), np.nan) for z in (8, 9)]
    return pd.DataFrame(rows)


def row(number: int, z: int, kind: str, counts: tuple[int, ...], dice: float) -> dict[str, Any]:
    tumour = kind == "tumour"
    lesions = 1 + number % 2 if tumour else 0
    return {
        "slice_id": f"p{number:02d}-z{z}",
        "patient": f"p{number:02d}",
        "series_uid": f"1.{number}",
        "kind": kind,
        "side": ("left", "right")[number % 2] if tumour else "",
        **dict(zip(means.PIXELS, counts, strict=True)),
        **dict.fromkeys(("dice", "dice_two_class", "iou_two_class", "dice_native", *NSD), dice),
        "iou": dice / (2 - dice),
        **dict.fromkeys(("hd95_mm", "assd_mm"), 10.0 if tumour else np.nan),
        **dict.fromkeys(("brier", "nll"), 0.1),
        **dict.fromkeys(("brier_region", "nll_region"), 0.2 if tumour else np.nan),
        "distance_replaced": number == 0 and tumour,
        "reference_mm2": 100.0 + 10 * number if tumour else 0.0,
        "false_positive_mm2": 0.0,
        "lesions": lesions,
        "lesions_found": min(lesions, 1),
        "components": 1,
        "false_components": 0 if tumour else 1,
    }


def methods(seeds: tuple[int, ...] = (1,)) -> dict[str, list[Run]]:
    gains = {"unet": 0.0, "middle": 0.02, "textbcs": 0.1}
    return by_method([Run(m, s, slices(g, s)) for m, g in gains.items() for s in seeds])


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


def test_every_aggregate_says_what_it_is_a_mean_of() -> None:
    table = means.method_means([Run("unet", 1, slices())], NSD, {}, BOOTSTRAP).set_index("measure")
    tumour = slices()[slices()["kind"] == "tumour"]
    by_patient = tumour.groupby("patient")["dice"].mean()
    assert table.loc["dice_slice_mean", "value"] == pytest.approx(tumour["dice"].mean())
    assert table.loc["dice_patient_mean", "value"] == pytest.approx(by_patient.mean())
    assert table.loc["dice_pooled", "value"] == pytest.approx(
        2 * tumour["true_positive"].sum() / (200 * len(tumour))
    )
    assert table.loc["dice_patient_mean", "low"] < by_patient.mean()
    assert table.loc["dice_patient_mean", ["used", "total", "unit"]].tolist() == [
        12,
        12,
        "patients",
    ]
    assert table.loc["hd95_mm_patient_mean", "used"] == 12
    assert table.loc["hd95_mm_where_found_patient_mean", ["used", "total"]].tolist() == [11, 12]
    # Odd patients have two lesions with one found.
    recall = tumour["lesions_found"].sum() / tumour["lesions"].sum()
    assert table.loc["lesion_recall_pooled", "value"] == pytest.approx(recall)
    assert table.loc["lesion_recall_patient_mean", "value"] == pytest.approx(0.75)
    assert table.loc["false_components_tumour_free_slice_mean", "value"] == 1
    assert table.loc["false_alarm_share_tumour_free", "value"] == 0
    assert table.loc["predicted_tumour_slices", ["value", "used", "total"]].tolist() == [23, 23, 24]
    # One false component on every tumour-free slice: all patients are equal, so there are no limits.
    components = table.loc["false_components_tumour_free_patient_mean"]
    assert (components["value"], components["used"]) == (1, 12)
    assert components[["low", "high"]].isna().all()
    assert table.loc["true_negative_tumour_free_slices", "value"] == 24
    assert set(NSD) <= {name.removesuffix("_slice_mean") for name in table.index}
    assert table["seed_sd"].isna().all()


def test_false_alarms_have_an_interval_over_patients_and_seeds() -> None:
    def alarmed(seed: int) -> Run:
        """Every third patient has an alarm on one of two slices; with seed 2 on no slice."""
        table = slices()
        free = (table["kind"] == "negative") & table["slice_id"].str.endswith("z8")
        third = table["patient"].isin([f"p{n:02d}" for n in range(0, PATIENTS, 3)])
        table.loc[free & third & (seed == 1), "false_positive"] = 1
        return Run("unet", seed, table)

    name = "false_alarm_share_tumour_free_patient_mean"
    for seeds, share in (((1,), 0.5), ((1, 2), 0.25)):
        runs = [alarmed(seed) for seed in seeds]
        found = means.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure").loc[name]
        each = np.where(np.arange(PATIENTS) % 3 == 0, share, 0.0)
        wanted = mean_interval(each, **BOOTSTRAP)
        assert found["value"] == pytest.approx(each.mean())
        assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high))


def test_a_volume_is_called_one_only_where_all_of_it_was_predicted() -> None:
    # Patient 0 has one tumour slice and two others: three in all.
    depth = {"1.0": 3} | {f"1.{n}": 24 for n in range(1, 12)}
    found = means.volumes(slices(), depth)
    assert (found["dice_volume"].used, found["dice_stacked_slices"].used) == (1, 11)
    own = slices()[slices()["patient"] == "p00"]
    hit = own["true_positive"].sum()
    assert found["dice_volume"].value == pytest.approx(2 * hit / 200)
    assert set(means.volumes(slices(), {})) == {"dice_stacked_slices"}


def test_seeds_give_a_spread() -> None:
    runs = [Run("unet", s, slices(0, s)) for s in (1, 2, 3)]
    table = means.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure")
    each = [r.slices.loc[r.slices["kind"] == "tumour", "dice"].mean() for r in runs]
    assert table.loc["dice_slice_mean", "value"] == pytest.approx(np.mean(each))
    assert table.loc["dice_slice_mean", "seed_sd"] == pytest.approx(np.std(each, ddof=1))


def test_a_seed_without_a_value_is_not_passed_over() -> None:
    never = slices(0, 2).assign(distance_replaced=True)
    runs = [Run("unet", 1, slices(0, 1)), Run("unet", 2, never)]
    table = means.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure")
    found = table.loc["hd95_mm_where_found_patient_mean"]
    assert np.isnan(found["value"])
    assert (found["used"], found["total"]) == (0, 12)


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


CALIBRATED = {
    "temperature": 2.0,
    "tumour_slices": 24,
    "tumour_patients": 12,
    "raw": {"image": {"ece": 0.1, "brier": 0.2, "nll": 0.3, "reliability": {}}},
    "scaled": {"image": {"ece": 0.05, "brier": 0.2, "nll": 0.3, "reliability": {}}},
    "error_detection": {"band": {"error_share": 0.1, "entropy_auroc": 0.7, "entropy_auprc": None}},
    "risk_coverage": {"entropy": {"aurc_slices": 0.2, "aurc_patients": 0.1}},
}


def test_calibration_has_rows_of_its_own() -> None:
    other = json.loads(json.dumps(CALIBRATED)) | {"temperature": 3.0}
    table = calibration_means("unet", [CALIBRATED, other]).set_index("measure")
    assert table.loc["temperature", "value"] == 2.5
    assert table.loc["ece_image_scaled", "value"] == 0.05
    assert table.loc["entropy_auroc_band", "value"] == 0.7
    assert table.loc["entropy_aurc_slices", ["value", "used"]].tolist() == [0.2, 24]
    assert table.loc["entropy_aurc_patients", ["value", "used"]].tolist() == [0.1, 12]
    assert "entropy_auprc_band" not in table.index


def write_inputs(runs: dict[str, list[Run]]) -> None:
    for own in runs.values():
        for run in own:
            write_csv(Path(f"results/evaluation/{run.name}/slices.csv"), run.slices)
            write_json(Path(f"results/uncertainty/{run.name}.json"), CALIBRATED)
    write_json(
        Path("results/uncertainty/ensemble.json"),
        {"unet": CALIBRATED | {"members": 5, "temperature": None, "dice_patient_mean": 0.9}},
    )
    sampled = CALIBRATED | {"temperature": None, "scaled": None, "dice_patient_mean": 0.8}
    write_json(
        Path("results/uncertainty/dropout.json"),
        {"dropout_unet": [sampled, sampled | {"dice_patient_mean": 0.6}]},
    )
    patients = [f"p{n:02d}" for n in range(PATIENTS)]
    series = {"series_uid": [f"1.{n}" for n in range(PATIENTS)], "instances": 24}
    write_csv(Path("data/cohort/series.csv"), pd.DataFrame(series))
    write_csv(
        Path("data/cohort/patients.csv"), pd.DataFrame({"patient": patients, "manufacturer": "GE"})
    )


def test_the_stage_writes_its_tables(stage_in: Callable[..., Stage]) -> None:
    params = {
        "evaluation": RULES | {"bootstrap": BOOTSTRAP | {"resamples": 99}},
        "tables": {"table1": ["unet", "textbcs"], "variants": ["own"], "reference": "textbcs"},
        "seeds": [1],
    }
    stage = stage_in(params)
    own = methods()
    write_inputs(own)
    other = {"own": own["middle"], "empty": own["unet"], "prior": own["middle"]}
    for name, (run,) in other.items():
        seed = 1 if name == "own" else 0
        write_csv(Path(f"results/evaluation/{name}-s{seed}/slices.csv"), run.slices)
    statistics(stage)
    folder = Path("results/statistics")
    sizes = {path.stem: len(read_csv(path)) for path in sorted(folder.iterdir())}
    assert sizes["comparisons"] == 3
    assert (sizes["ranks"], sizes["variance"]) == (12, 0)
    trivial = read_csv(folder / "trivial.csv").set_index(["method", "trivial"])
    assert set(trivial.index) == {
        (m, t) for m in ("unet", "textbcs", "own") for t in ("empty", "prior")
    }
    assert trivial.loc[("textbcs", "empty"), "above"]
    assert trivial.loc[("unet", "empty"), "difference"] == 0
    assert sizes["subgroups"] == 2 * (2 + 3 + 2 + 1)
    table = read_csv(folder / "means.csv").set_index(["method", "measure"])
    assert table.loc[("unet", "ensemble_dice_patient_mean"), ["value", "seeds"]].tolist() == [
        0.9,
        5,
    ]
    assert ("textbcs", "ensemble_ece_image") not in table.index
    sampled = table.loc["dropout_unet"]
    assert all(name.startswith("sampled_") for name in sampled.index)
    assert sampled.loc["sampled_dice_patient_mean", ["value", "seeds"]].tolist() == [0.7, 2]
    assert sampled.loc["sampled_ece_image", "value"] == 0.1
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    statistics(stage)
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}
    stage.params["tables"]["reference"] = "lvit"  # type: ignore[index]
    with pytest.raises(InputError, match="tables.reference = 'lvit'"):
        statistics(stage)
