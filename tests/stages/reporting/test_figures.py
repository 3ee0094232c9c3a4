"""The paper's figures: what is drawn is the data beside them, and equal inputs give equal bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.dataset.slice_store import COLUMNS
from textbcs.evaluation.uncertainty.resampled_scores import DIAGRAMS
from textbcs.reporting.common.labels import REPLICATES
from textbcs.reporting.figures import (
    forest,
    gradcam_stages,
    reliability,
    uncertainty_maps,
)
from textbcs.reporting.figures import ranks as ranks_figure
from textbcs.reporting.figures.canvas import write_figure
from textbcs.stages.evaluation.replicates import spread
from textbcs.stages.reporting import figures
from textbcs.stages.reporting.figures import COLUMNS as FACTS
from textbcs.stages.reporting.figures import run as write_figures

SIZE = 16
SLICES = ["a-1", "b-1", "c-1", "c-9"]
METHODS = ["unet", "textbcs"]
BOOTSTRAP = {"resamples": 99, "seed": 1}
PARAMS: dict[str, Any] = {
    "tables": {"table1": METHODS, "variants": ["strong"]},
    "seeds": [1],
    "variants": {"strong": {"loss": {"lambda_evidence": 1.0}}},
    "methods": {
        "textbcs": {
            "network": {"svli": True, "evidential": True},
            "loss": {"lambda_evidence": 0.01, "lambda_alignment": 0.01},
        }
    },
    "evaluation": {"threshold": 0.5, "bootstrap": BOOTSTRAP},
}
NAMES = (
    *("failures", "forest", "gradcam_cases", "gradcam_stages", "overview", "qualitative"),
    *("ranks", "reliability", "training_curves", "uncertainty_maps", "weights"),
)
EVIDENCE = np.array([3.0, 1.0])
DIAGRAM = pd.DataFrame(
    [
        ("unet", "raw", 1, scope, 0.1, 0.05, 0.2, number, p, p - 0.1, p - 0.2, p, 5)
        for scope in reliability.SCOPES
        for number, p in ((1, 0.2), (2, 0.9))
    ],
    columns=list(DIAGRAMS),
)


def evaluated(shift: float) -> pd.DataFrame:
    """Dice falls by 0.2 from slice to slice; the third slice has two lesions, one of them missed."""
    table = pd.DataFrame({"slice_id": SLICES, "patient": [name[0] for name in SLICES]})
    table["kind"] = ["tumour"] * 3 + ["negative"]
    table["dice"] = [0.9 - shift, 0.7 - shift, 0.5 - shift, np.nan]
    table["iou"] = table["dice"] / 2
    for name, values in {
        "true_positive": [9, 9, 9, 0],
        "false_positive": [1, 2, 3, 4],
        "lesions": [1, 1, 2, 0],
        "lesions_found": [1, 1, 1, 0],
        "reference_mm2": [160.0, 160.0, 160.0, 0.0],
        "false_positive_mm2": [1.0, 2.0, 3.0, 4.0],
    }.items():
        table[name] = values
    assert set(FACTS) <= set(table)
    return table


def summary() -> pd.DataFrame:
    """At stage 1 SVLI's lift is clearly greater, at stage 2 not."""
    rows = []
    for stage, low in ((1, 0.5), (2, -0.5)):
        for measure in gradcam_stages.MEASURES:
            for network, mean in (("unet", 1.0), ("svli", 2.0), ("svli - unet", 1.0)):
                row = {"stage": stage, "measure": measure, "network": network, "slices": 3}
                row |= {"mean": mean, "low": mean - 0.5, "high": mean + 0.5, "patients": 3}
                row |= {"seed": 1, "missing": 0, "dead_maps": 2 if network == "svli" else 0}
                row |= {"mean_with_heat": 3 * mean, "draw_least": 0.1, "draw_greatest": 0.4}
                rows.append(row | ({"low": low} if network == "svli - unet" else {}))
    return pd.DataFrame(rows)


@pytest.fixture
def prompted(monkeypatch) -> list[Any]:
    """What the figures of prompts were asked for; test_prompt_figures.py draws them."""
    asked: list[Any] = []
    monkeypatch.setattr(figures, "prompt_figures", lambda stage, shard: asked.append(shard))
    return asked


def write_runs() -> None:
    """Scores, maps and training curves of two methods and a variant."""
    for method, shift in (("unet", 0.1), ("textbcs", 0.0), ("strong", 0.2)):
        folder = f"results/evaluation/{method}-s1"
        io.write_csv(f"{folder}/slices.csv", evaluated(shift))
        probability = np.full((4, SIZE, SIZE), 0.2, np.float16)
        probability[:, 5:9, 4:8] = 0.9
        maps = {"probability": probability}
        if method == "textbcs":
            full = np.broadcast_to(EVIDENCE[None, :, None, None], (4, 2, SIZE, SIZE))
            maps["evidence"] = full.astype(np.float16)
            maps["vacuity"] = np.full((4, SIZE, SIZE), 0.25, np.float16)
        io.write_tensors(f"results/predictions/{method}-s1/maps.safetensors", maps)
        history = pd.DataFrame({"epoch": [1, 2, 3], "validation_dice": [0.1, 0.6 - shift, 0.3]})
        io.write_csv(f"results/runs/{method}-s1/history.csv", history)


def write_heat_maps() -> None:
    """What the stage `gradcam` has left."""
    heat = np.zeros((2, 5, SIZE, SIZE), np.float16)
    heat[:, :4, 4:6, 4:6] = 2
    io.write_tensors("results/gradcam/maps.safetensors", {"unet": heat, "svli": heat / 2})
    cases = pd.DataFrame({"rule": ["median", "parts"], "slice_id": ["b-1", "c-1"], "row": [1, 2]})
    io.write_csv("results/gradcam/cases.csv", cases)
    facts = [
        {"slice_id": s, "network": network, "stage": number, "dice": 0.5, "pointing_hit": 1.0}
        | {"energy_inside": number / 10, "lift": 2.0, "seed": 1, "has_heat": 1}
        for s in SLICES[:3]
        for network in ("unet", "svli")
        for number in range(1, 6)
    ]
    io.write_csv("results/gradcam/slices.csv", pd.DataFrame(facts))
    io.write_csv("results/statistics/gradcam.csv", summary())


@pytest.fixture
def written(stage_in, prompted):
    """Two methods, a variant, four test slices, and what the stages before have written."""
    stage = stage_in(PARAMS)
    table = pd.DataFrame([dict.fromkeys(COLUMNS, 1) | {"slice_id": s} for s in SLICES])
    io.write_csv("data/slices/test/slices.csv", table)
    masks = np.zeros((4, SIZE, SIZE), np.uint8)
    masks[:3, 4:8, 4:8] = 1
    image = np.full((4, SIZE, SIZE), 0.3, np.float16)
    io.write_tensors("data/slices/test/slices.safetensors", {"image": image, "mask": masks})
    words = {"location": "left", "shape": "round", "size": "small", "number": "one"}
    text = "; ".join(f"{key} {value}" for key, value in words.items())
    prompts = [
        {"slice_id": name, "patient": name[0], **words, "text": text, "source": "mask"}
        for name in SLICES
    ]
    io.write_csv("data/prompts/test.csv", pd.DataFrame(prompts).assign(borrowed_from=""))
    write_runs()
    io.write_csv("results/uncertainty/reliability.csv", DIAGRAM)
    compared = {"reference": "textbcs", "baseline": "unet", "difference": 0.1, "low": 0.05}
    compared |= {"high": 0.2, "patients": 3, "slices": 3, "seeds": 1}
    both = [compared | {"metric": "dice"}, compared | {"metric": "iou", "low": -1}]
    io.write_csv("results/statistics/comparisons.csv", pd.DataFrame(both))
    by_seed = spread([1, 2], {"unet": [60.0, 61.0], "textbcs": [70.0, 58.0]}, "textbcs")
    io.write_json(REPLICATES, by_seed)
    ranks = [("unet", 2, 1, 0.25), ("unet", 2, 2, 0.75), ("textbcs", 1, 1, 0.75)]
    ranks.append(("textbcs", 1, 2, 0.25))
    table = pd.DataFrame(ranks, columns=["method", "observed_rank", "rank", "probability"])
    io.write_csv("results/statistics/ranks.csv", table.assign(metric="dice"))
    write_heat_maps()
    return stage


def test_every_figure_has_its_three_files(written, prompted) -> None:
    names = [f"{name}.{end}" for name in NAMES for end in ("pdf", "png", "csv")]
    write_figures(written)
    assert [shard.table["slice_id"].tolist() for shard in prompted] == [SLICES]
    first = {path.name: path.read_bytes() for path in Path("reports/figures").iterdir()}
    assert sorted(first) == sorted(names)
    for name in NAMES:
        assert first[f"{name}.pdf"].startswith(b"%PDF")
        assert b"CreationDate" not in first[f"{name}.pdf"]
        assert first[f"{name}.png"].startswith(b"\x89PNG")
    shown = io.read_csv("reports/figures/qualitative.csv")
    assert shown["rule"].tolist() == ["best", "best", "median", "median", "worst", "worst"]
    assert shown["dice"].tolist() == pytest.approx([0.8, 0.9, 0.6, 0.7, 0.4, 0.5])
    failed = io.read_csv("reports/figures/failures.csv")
    assert dict(zip(failed["rule"], failed["slice_id"], strict=True)) == {
        "lowest Dice": "c-1",
        "most missed lesions": "none",
        "most false positive area": "c-9",
    }
    overview = io.read_csv("reports/figures/overview.csv")
    assert overview["method"].tolist() == ["unet", "textbcs"] * 3
    assert overview["slice_id"].tolist()[::2] == ["a-1", "b-1", "c-1"]
    assert overview["vacuity"].tolist()[1::2] == [0.25] * 3
    assert overview["vacuity"].isna().tolist()[::2] == [True] * 3
    assert set(overview["prompt"]) == {"location left; shape round; size small; number one"}
    weights = io.read_csv("reports/figures/weights.csv").set_index(["weight", "value"])
    columns = ["validation_slice_mean", "test_slice_mean"]
    assert weights.loc[("lambda_evidence", 1.0), columns].tolist() == pytest.approx([40, 50])
    assert weights.loc[("lambda_evidence", 0.01), "test_slice_mean"] == pytest.approx(70)


def test_equal_figures_give_equal_bytes(written) -> None:
    seen = []
    for _ in range(2):
        bins = reliability.bin_rows(DIAGRAM, {"unet": "UNet"}, {"UNet": ["unet"]})
        write_figure(written, "reliability", reliability.draw(bins), bins)
        mask = np.eye(SIZE)
        pixels = uncertainty_maps.pixel_rows(mask, mask, {"probability": 0.9 * mask}, 0.5)
        figure = uncertainty_maps.draw(pixels, "a-1", 0.5)
        write_figure(written, "uncertainty_maps", figure, pixels)
        seen.append({p.name: p.read_bytes() for p in Path("reports/figures").iterdir()})
    assert len(seen[0]) == 6
    assert seen[0] == seen[1]


def test_runs_of_another_test_split_are_one_line(written) -> None:
    other = evaluated(0).assign(slice_id=["x-1", *SLICES[1:]])
    io.write_csv("results/evaluation/unet-s1/slices.csv", other)
    with pytest.raises(InputError, match="unet-s1/slices.csv: other slices than data/slices/test"):
        write_figures(written)


def test_heat_maps_of_another_test_split_are_one_line(written) -> None:
    cases = pd.DataFrame({"rule": ["median"], "slice_id": ["x-1"], "row": [0]})
    io.write_csv("results/gradcam/cases.csv", cases)
    with pytest.raises(InputError, match="x-1 is not in data/slices/test"):
        write_figures(written)


def test_stages_are_drawn_as_summarised_and_differences_starred() -> None:
    shown = gradcam_stages.stage_rows(summary())
    localised = shown[shown["measure"] != gradcam_stages.RANDOMISED]
    assert localised.groupby("stage")["differs"].all().tolist() == [True, False]
    axes = gradcam_stages.draw(shown).axes
    for place, panel in enumerate(axes):
        is_last = place == len(axes) - 1
        assert [line.get_ydata()[0] for line in panel.lines[:2]] == [1, 2]
        # Only patients are behind the correlation's interval, so it has no star.
        assert [text.xy[0] for text in panel.texts] == ([] if is_last else [1])
        labels = [label.get_text() for label in panel.get_xticklabels()]
        assert labels == (["1\n0 / 0", "2\n0 / 0"] if is_last else ["1\n0 / 2", "2\n0 / 2"])
        assert ("without a correlation" in panel.get_xlabel()) == is_last
    # UNet has no dead map, so only SVLI has hollow marks: each collection but intervals.
    hollow = [one for one in axes[0].collections if len(one.get_offsets()) == 2]
    assert [one.get_offsets()[:, 1].tolist() for one in hollow] == [[6, 6]]


def test_forest_and_ranks_are_drawn_as_tabled(written) -> None:
    comparisons = io.read_csv("results/statistics/comparisons.csv")
    shown = forest.difference_rows(comparisons, io.read_json(REPLICATES))
    assert shown[["difference", "low", "high"]].to_numpy().tolist() == [[10, 5, 20]]
    axes = forest.draw(shown).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [5, 20]
    assert shown[["seed_1", "seed_2"]].to_numpy().tolist() == [[10, -3]]
    assert axes.lines[2].get_xdata().tolist() == [10, -3]
    assert "bars: each seed's trainings" in axes.get_xlabel()
    assert [text.get_text() for text in axes.texts] == ["10.00 (5.00 to 20.00)"]
    assert "unadjusted 95 % BCa interval,\ntrainings held fixed" in axes.get_xlabel()
    assert "95 % BCa" in axes.get_xlabel()
    once = forest.difference_rows(comparisons, spread([1], {"textbcs": [70.0]}, "textbcs"))
    assert once["seed_1"].isna().all()
    assert "bars" not in forest.draw(once).axes[0].get_xlabel()
    ranks = ranks_figure.rank_rows(io.read_csv("results/statistics/ranks.csv"))
    assert ranks["method"].tolist() == ["textbcs", "textbcs", "unet", "unet"]
    axes = ranks_figure.draw(ranks).axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert [patch.get_xy() for patch in axes.patches] == [(-0.5, -0.5), (0.5, 0.5)]
