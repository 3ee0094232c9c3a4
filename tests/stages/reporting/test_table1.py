from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, read_csv, read_json, write_csv, write_json
from textbcs.evaluation.statistics import aggregates
from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.evaluation.statistics.runs import Run, run_names
from textbcs.reporting.common import notes
from textbcs.reporting.common.labels import REPLICATES, encoder_label, paper, subject
from textbcs.reporting.common.printed_tables import read_table
from textbcs.reporting.tables import ablation
from textbcs.reporting.tables.overlap import (
    AGGREGATES,
    column_headers,
    differences,
    first_weights,
    side_follows_prompt,
    table1_row,
    tracked_scores,
)
from textbcs.stages.evaluation.replicates import spread
from textbcs.stages.reporting.table1 import run as write_table1

BOOTSTRAP = {"resamples": 199, "seed": 1}
COMPLEXITY = {
    "reads_text": True,
    "reads_at_test": "image and prompt",
    "params_learnt": 32_470_000,
    "params_as_trained": 32_470_000,
    "params_for_mask": 28_300_000,
    "flops": 47_250_000_000,
    "paper_convention_macs": 52_340_000_000,
    "params_here": 2_000_000,
    "initial": {"weights": "none"},
}


def slices(shift: float = 0.0, swapped: bool = True) -> pd.DataFrame:
    """Three patients with 1, 2 and 3 tumour slices and one tumour-free slice each."""
    rows = []
    for number, patient in enumerate("abc", start=1):
        for index in range(number + 1):
            free = index == number
            hit = 10 * number - round(10 * shift)
            counts = (0, 4 if patient == "a" else 0, 0, 100) if free else (hit, 5, 5, 80)
            dice = np.nan if free and not counts[1] else 2 * hit / (2 * hit + 10) * (not free)
            rows.append(
                {
                    "slice_id": f"{patient}-{index}",
                    "patient": patient,
                    "kind": "negative" if free else "tumour",
                    "mask_source": "reviewed" if patient == "b" else "expert",
                    **dict(
                        zip(
                            ["true_positive", "false_positive", "false_negative", "true_negative"],
                            counts,
                            strict=True,
                        )
                    ),
                    "dice": dice,
                    "iou": np.nan if np.isnan(dice) else dice / (2 - dice),
                    "dice_two_class": dice,
                    "iou_two_class": dice,
                    "dice_native": dice,
                    "predicted_side": "left",
                    "dice_swapped": 0.1 if swapped else np.nan,
                    "predicted_side_swapped": "right" if patient != "c" else None,
                }
            )
    return pd.DataFrame(rows)


def test_each_aggregation_is_what_its_name_says() -> None:
    row = table1_row("textbcs", [Run("textbcs", 1, slices())], COMPLEXITY, BOOTSTRAP, False)
    each = {n: 20 * n / (20 * n + 10) for n in (1, 2, 3)}
    assert row["dice_slice_mean"] == pytest.approx(100 * sum(n * each[n] for n in each) / 6)
    assert row["dice_patient_mean"] == pytest.approx(100 * sum(each.values()) / 3)
    hits = 10 + 2 * 20 + 3 * 30
    assert row["dice_pooled"] == pytest.approx(100 * 2 * hits / (2 * hits + 6 * 10))
    assert row["miou_pooled"] == pytest.approx(100 * hits / (hits + 60))
    assert (row["tumour_slices"], row["tumour_free_slices"], row["patients"]) == (6, 3, 3)
    assert row["false_alarm_share"] == pytest.approx(100 / 3)
    low, high = map(float, row["dice_patient_interval"].split(" to "))
    assert low <= row["dice_patient_mean"] <= high
    assert (row["params_m"], row["flops_g"], row["paper_convention_g"]) == (32.47, 47.25, 52.34)


def test_what_a_training_starts_from() -> None:
    own = {"epochs": 10}
    assert first_weights({"weights": "none"}) == "random"
    assert first_weights({"weights": "none", "sha256": ""}) == "random (weights: none)"
    assert first_weights({"weights": "none", "sha256": "", "pretraining": own}) == (
        "own pre-training (weights: none)"
    )
    assert first_weights({"weights": "w/swin.pth", "sha256": "00"}) == "swin.pth"


def test_several_seeds_are_averaged() -> None:
    runs = [Run("textbcs", 1, slices()), Run("textbcs", 2, slices(shift=0.5))]
    rows = [table1_row("textbcs", [run], COMPLEXITY, BOOTSTRAP, False) for run in runs]
    both = table1_row("textbcs", runs, COMPLEXITY, BOOTSTRAP, False)
    assert both["dice_slice_mean"] == pytest.approx(np.mean([r["dice_slice_mean"] for r in rows]))
    assert both["seeds"] == 2
    # The interval is that of the patients' means over the seeds, not of one seed's.
    each = [np.mean([2 * hit / (2 * hit + 10) for hit in (10 * n, 10 * n - 5)]) for n in (1, 2, 3)]
    limits = mean_interval(np.array(each), **BOOTSTRAP)
    assert both["dice_patient_interval"] == f"{100 * limits.low:.2f} to {100 * limits.high:.2f}"
    assert both["dice_patient_interval"] != rows[0]["dice_patient_interval"]


def test_the_papers_scores_are_subtracted_on_duke_alone() -> None:
    run = [Run("textbcs", 1, slices())]
    phantom = table1_row("textbcs", run, COMPLEXITY, BOOTSTRAP, False)
    assert phantom["paper_dice"] == 85.33
    assert "dice_minus_paper" not in phantom
    headers = column_headers([phantom], False)
    assert headers["paper_dice"] == "Paper Dice % (Duke, not comparable)"
    assert "dice_minus_paper" not in headers
    duke = table1_row("textbcs", run, COMPLEXITY, BOOTSTRAP, True)
    assert duke["dice_minus_paper"] == pytest.approx(duke["dice_slice_mean"] - 85.33)
    assert "comparable" not in " ".join(column_headers([duke], True).values())


def test_the_papers_table_is_complete_and_its_gains_are_those_of_the_text() -> None:
    printed = paper()["table1"]
    assert len(printed) == 13
    dice = {name: row["dice"] for name, row in printed.items()}
    # TextBCS 4.4 and 4.5: +2.19 over TransUNet, +1.05 over MGCA, +3.79 over UNet.
    gains = [round(dice["textbcs"] - dice[name], 2) for name in ("transunet", "mgca", "unet")]
    assert gains == [2.19, 1.05, 3.79]


def test_differences_are_paired_and_over_patients() -> None:
    runs = [Run("unet", 1, slices(shift=0.5)), Run("textbcs", 1, slices())]
    found = differences(runs, BOOTSTRAP).to_dict("records")
    assert [(row["minuend"], row["subtrahend"], row["patients"]) for row in found] == [
        ("textbcs", "unet", 3)
    ]
    means = [
        [20 * n / (20 * n + 10), 2 * (10 * n - 5) / (2 * (10 * n - 5) + 10)] for n in (1, 2, 3)
    ]
    assert found[0]["dice_difference"] == pytest.approx(100 * np.mean([a - b for a, b in means]))


def test_with_several_seeds_a_difference_is_one_row_of_the_slices_means() -> None:
    runs = [
        Run(name, seed, slices(shift=0.5 * (name == "unet") + 0.2 * (seed == 2)))
        for name in ("unet", "textbcs")
        for seed in (1, 2)
    ]
    found = differences(runs, BOOTSTRAP).to_dict("records")
    assert [(row["subtrahend"], row["seeds"], row["patients"]) for row in found] == [("unet", 2, 3)]
    assert "seed" not in found[0]
    alone = [differences([run for run in runs if run.seed == seed], BOOTSTRAP) for seed in (1, 2)]
    each = [float(one["dice_difference"].iloc[0]) for one in alone]
    assert found[0]["dice_difference"] == pytest.approx(np.mean(each))
    assert found[0]["low"] < found[0]["dice_difference"] < found[0]["high"]


def test_a_vanished_prediction_does_not_follow_the_prompt() -> None:
    tumour = slices()
    tumour = tumour[tumour["kind"] == "tumour"]
    # Patients a (1 slice) and b (2) change sides; c's three predictions vanish.
    assert side_follows_prompt(tumour) == pytest.approx(3 / 6)
    assert np.isnan(side_follows_prompt(slices(swapped=False)))


def write_encoder(**learn: str) -> None:
    """What the text stages say of their weights; the keywords differ for the training prompts."""
    facts = {"encoder": "minilm", "origin": "pinned", "file": "a", "sha256": "0123456789abcdef"}
    write_json("data/text/probe/encoder.json", facts)
    write_json("data/text/learn/encoder.json", facts | learn)


def test_weights_that_are_not_the_pinned_ones_are_named(stage_in) -> None:
    stage = stage_in({})
    write_encoder()
    assert encoder_label(stage) == "minilm"
    write_encoder(sha256="f")
    with pytest.raises(InputError, match="embedded with different weights"):
        encoder_label(stage)
    facts = {"encoder": "bioclinicalbert", "origin": "local directory", "sha256": 64 * "a"}
    for name in ("learn", "probe"):
        write_json(f"data/text/{name}/encoder.json", facts)
    label = f"bioclinicalbert (weights of a local directory, sha256 {12 * 'a'})"
    assert encoder_label(stage) == label


def write_two_methods(stage_in) -> None:
    """Table 1 of two methods, beside what a run of more methods has left."""
    stage = stage_in(
        {
            "tables": {"table1": ["unet", "textbcs"], "variants": [], "for_use": []},
            "seeds": [1],
            "replicates": {"methods": ["textbcs"], "seeds": [2]},
            "cohort": {"kind": "phantom", "collection": ""},
            "evaluation": {"bootstrap": BOOTSTRAP},
        },
        "table1",
    )
    for name in ("unet-s1", "textbcs-s1", "textbcs-s2", "unet-s2", "lvit-s9"):
        write_csv(f"results/evaluation/{name}/slices.csv", slices())
    for name in ("unet", "textbcs", "lvit"):
        own = (
            {"weights": "w/swin.pth", "sha256": "00"} if name == "textbcs" else {"weights": "none"}
        )
        write_json(f"results/complexity/{name}.json", COMPLEXITY | {"initial": own})
    write_encoder()
    write_json(REPLICATES, spread([1, 2], {"textbcs": [80.0, 70.0]}, "textbcs"))
    write_table1(stage)


def test_the_stage_writes_four_forms_of_one_table_and_deletes_nothing(stage_in) -> None:
    write_two_methods(stage_in)
    table = read_csv("reports/tables/table1.csv")
    assert table["label"].tolist() == ["UNet", "TextBCS"]
    for score in ("dice_slice_mean", "miou_slice_mean", "dice_patient_mean"):
        tracked = read_json(f"reports/metrics/{score}.json")
        assert tracked == dict(zip(table["method"], table[score], strict=True)), score
    markdown = Path("reports/tables/table1.md").read_text()
    latex = Path("reports/tables/table1.tex").read_text()
    value = f"{table['dice_slice_mean'].iloc[1]:.2f}"
    assert value in markdown
    assert value in latex
    for form in (markdown, latex):
        assert form.count(notes.ONE_TRAINING) == 1
        assert form.count("TextBCS 7.1 points (70.0 to 80.0)") == 1
        assert "LViT" not in form
    assert "6 tumour slices of 3 patients" in markdown
    assert "masks: expert, reviewed;" in markdown
    assert "text encoder minilm**" in markdown
    assert table["first_weights"].tolist() == ["random", "swin.pth"]
    assert table["text_encoder"].tolist() == ["minilm", "minilm"]
    assert len(list(Path("results/evaluation").iterdir())) == 5
    assert Path("results/complexity/lvit.json").exists()
    # The page says once, in a place of its own, what stands below several tables.
    data = read_table(Path("results/tables/table1/table1.json"))
    assert data.column("label") == ["UNet", "TextBCS"]
    assert data.column("dice_slice_mean")[1] == value
    assert "".join(data.headers) in markdown.replace(" | ", "")
    assert data.notes
    assert all(f"- {note}\n" in markdown for note in data.notes)
    assert notes.ONE_TRAINING not in data.notes
    gaps = read_table(Path("results/tables/table1/table1_differences.json"))
    assert gaps.column("subtrahend") == ["UNet"]
    assert read_csv("reports/tables/table1_differences.csv")["subtrahend"].tolist() == ["unet"]


def test_one_aggregate_stands_in_every_table() -> None:
    runs = [Run("textbcs", 1, slices()), Run("textbcs", 2, slices(shift=0.5))]
    row = table1_row("textbcs", runs, COMPLEXITY, BOOTSTRAP, False)
    own = ablation.scores(runs, BOOTSTRAP)
    assert {key: row[key] for key in own} == own
    means = aggregates.over_seeds(runs, aggregates.overlap_aggregates)
    assert {key: row[key] for key in AGGREGATES} == {
        key: 100 * means[name] for key, name in AGGREGATES.items()
    }


def test_a_score_without_a_value_is_tracked_as_such() -> None:
    row = {"method": "unet", "dice_slice_mean": np.nan, "miou_slice_mean": 0.0}
    found = tracked_scores([row | {"dice_patient_mean": 1.5}])
    assert found["dice_slice_mean"] == {"unet": None}
    assert found["miou_slice_mean"] == {"unet": 0.0}
    assert found["dice_patient_mean"] == {"unet": 1.5}


def test_runs_with_further_seeds_are_runs_of_the_parameters() -> None:
    params = {
        "tables": {"table1": ["unet", "textbcs"], "variants": ["svli"], "for_use": []},
        "seeds": [1, 4],
        "replicates": {"methods": ["textbcs"], "seeds": [2, 3]},
    }
    ours = [f"textbcs-s{seed}" for seed in (1, 2, 3, 4)]
    others = [f"{name}-s{seed}" for name in ("unet", "svli") for seed in (1, 4)]
    assert sorted(run_names(params)) == sorted([*ours, *others, "empty-s0", "prior-s0"])


def test_a_title_says_cohort_slices_patients_masks_and_seeds() -> None:
    params = {"cohort": {"kind": "phantom"}, "seeds": [1]}
    assert subject(params, slices()) == (
        "Test split of the phantom cohort: 6 tumour slices of 3 patients; masks: expert, reviewed; 1 seed"
    )
    assert subject(params | {"seeds": [1, 2]}, slices(), free=True) == (
        "Test split of the phantom cohort: 6 tumour slices of 3 patients, 3 tumour-free slices; "
        "masks: expert, reviewed; 2 seeds"
    )
