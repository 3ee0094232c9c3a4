"""Every aggregate of runs made by hand."""

import numpy as np
import pytest
from made_runs import BOOTSTRAP, NSD, PATIENTS, slices

from textbcs.evaluation.statistics import aggregates
from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.evaluation.statistics.runs import Run


def test_every_aggregate_says_what_it_is_a_mean_of() -> None:
    table = aggregates.method_means([Run("unet", 1, slices())], NSD, {}, BOOTSTRAP).set_index(
        "measure"
    )
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
        found = aggregates.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure").loc[name]
        each = np.where(np.arange(PATIENTS) % 3 == 0, share, 0.0)
        wanted = mean_interval(each, **BOOTSTRAP)
        assert found["value"] == pytest.approx(each.mean())
        assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high))


def test_a_volume_is_called_one_only_where_all_of_it_was_predicted() -> None:
    # Patient 0 has one tumour slice and two others: three in all.
    depth = {"1.0": 3} | {f"1.{n}": 24 for n in range(1, 12)}
    found = aggregates.volumes(slices(), depth)
    assert (found["dice_volume"].used, found["dice_stacked_slices"].used) == (1, 11)
    own = slices()[slices()["patient"] == "p00"]
    hit = own["true_positive"].sum()
    assert found["dice_volume"].value == pytest.approx(2 * hit / 200)
    assert set(aggregates.volumes(slices(), {})) == {"dice_stacked_slices"}


def test_seeds_give_a_spread() -> None:
    runs = [Run("unet", s, slices(0, s)) for s in (1, 2, 3)]
    table = aggregates.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure")
    each = [r.slices.loc[r.slices["kind"] == "tumour", "dice"].mean() for r in runs]
    assert table.loc["dice_slice_mean", "value"] == pytest.approx(np.mean(each))
    assert table.loc["dice_slice_mean", "seed_sd"] == pytest.approx(np.std(each, ddof=1))


def test_a_seed_without_a_value_is_not_passed_over() -> None:
    never = slices(0, 2).assign(distance_replaced=True)
    runs = [Run("unet", 1, slices(0, 1)), Run("unet", 2, never)]
    table = aggregates.method_means(runs, NSD, {}, BOOTSTRAP).set_index("measure")
    found = table.loc["hd95_mm_where_found_patient_mean"]
    assert np.isnan(found["value"])
    assert (found["used"], found["total"]) == (0, 12)
