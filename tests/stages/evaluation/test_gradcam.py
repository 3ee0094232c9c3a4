"""Heat maps against numeric derivatives, and the stage's tables by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from checkout import SOURCE
from made_runs import heat_map_facts

from textbcs.base.io import InputError, read_csv, read_tensors, write_csv
from textbcs.dataset.slice_store import Shard
from textbcs.explain.heat_maps import STAGES, heat_maps, stage_maps
from textbcs.explain.localisation import MEASURES, chosen_cases, slice_rows, survival
from textbcs.explain.summary import summary
from textbcs.models.common import registry
from textbcs.models.common.contract import TextBatch
from textbcs.reporting.tables.claims_behaviour import gradcam_findings
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation.gradcam import run

BOOTSTRAP = {"resamples": 199, "seed": 1}
NETWORK = read_preset("tiny")["methods"]["textbcs"]["network"]


def network(svli: bool):
    torch.manual_seed(5)  # a drawn network whose maps have both signs
    config = {**NETWORK, "svli": svli, "evidential": False}
    return registry.build(config, channels=3, image_size=32, text_dim=6).eval()


def example() -> tuple[torch.Tensor, TextBatch]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(2, 4, 6, generator=generator)
    return torch.rand(2, 3, 32, 32, generator=generator), TextBatch(
        tokens, torch.ones(2, 4, dtype=torch.bool)
    )


@pytest.mark.parametrize("svli", [False, True])
def test_the_pass_that_keeps_maps_is_the_networks_own(svli):
    model = network(svli)
    image, text = example()
    logits, maps = stage_maps(model, image, text)
    torch.testing.assert_close(logits.sigmoid(), model(image, text).probability)
    assert [tuple(x.shape[2:]) for x in maps] == [(32 // 2**i,) * 2 for i in range(STAGES)]
    assert [x.shape[1] for x in maps[:4]] == [4, 8, 16, 32]


def test_heat_of_the_deepest_stage_follows_from_numeric_derivatives():
    """With threshold 1 nothing is predicted, so y is the sum of all logits."""
    model = network(False).double()
    image, text = example()
    image = image.double()
    found = heat_maps(model, image, text, threshold=1.0)
    kept: list[torch.Tensor] = []
    handle = model.trunk.bottom.register_forward_hook(lambda m, i, out: kept.append(out.detach()))
    with torch.no_grad():
        model(image, text)
    handle.remove()
    values = kept[0]
    weights = torch.zeros(values.shape[:2], dtype=torch.float64)
    step = 1e-4
    for channel in range(values.shape[1]):
        sums = []
        for sign in (1, -1):
            shift = torch.zeros_like(values)
            shift[:, channel] = sign * step
            handle = model.trunk.bottom.register_forward_hook(lambda m, i, out, s=shift: out + s)
            with torch.no_grad():
                sums.append(model(image, text).logits[:, 0].double().sum((1, 2)))
            handle.remove()
        # moving a whole channel adds up the derivatives of its pixels
        weights[:, channel] = (sums[0] - sums[1]) / (2 * step) / values[0, 0].numel()
    signed = (weights[:, :, None, None] * values).sum(1, keepdim=True)
    torch.testing.assert_close(found.signed[4].double(), signed[:, 0], rtol=2e-3, atol=1e-6)
    assert signed.min() < 0
    coarse = signed.relu()
    expected = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.heat[:, 4].double(), expected, rtol=2e-3, atol=1e-6)


def test_heat_is_the_positive_part_of_the_signed_maps():
    found = heat_maps(network(True), *example(), 0.5)
    assert (found.heat >= 0).all()
    assert [tuple(one.shape) for one in found.signed] == [
        (2, 32 // 2**i, 32 // 2**i) for i in range(5)
    ]
    assert all((one < 0).any() for one in found.signed)
    torch.testing.assert_close(found.heat[:, 0], found.signed[0].relu(), rtol=1e-6, atol=0)


def test_only_the_predicted_mask_is_explained():
    model = network(False)
    image, text = example()
    probability = heat_maps(model, image, text, 0.5).probability
    threshold = float(probability.flatten(1).quantile(0.9, dim=1).min())
    some = heat_maps(model, image, text, threshold).heat
    every = heat_maps(model, image, text, 1.0).heat
    assert not torch.allclose(some, every)


def test_another_family_is_refused():
    with pytest.raises(InputError, match="needs a UNet trunk"):
        stage_maps(torch.nn.Linear(2, 2), *example())  # type: ignore[arg-type]


def test_summary_is_paired_and_by_patient_and_a_dead_map_counts_as_nothing():
    table = summary(heat_map_facts(), BOOTSTRAP).set_index(["measure", "network"])
    assert table.loc[("pointing_hit", "svli"), "mean"] == 1
    # Patients a, b, c: 0.2, 0.2, 0 with the dead map, which leaving it out would hide.
    unet = table.loc[("energy_inside", "unet")]
    assert unet["mean"] == pytest.approx(0.4 / 3)
    assert unet["mean_with_heat"] == pytest.approx(0.2)
    assert unet[["slices", "dead_maps", "slices_with_heat"]].tolist() == [4, 1, 3]
    assert unet[["patients", "patients_with_heat", "seed"]].tolist() == [3, 2, 7]
    gap = table.loc[("energy_inside", "svli - unet")]
    assert gap["mean"] == pytest.approx((0.3 + 0.3 + 0.5) / 3)
    assert gap["mean_with_heat"] == pytest.approx(0.3)
    assert gap[["slices", "dead_maps", "slices_with_heat"]].tolist() == [4, 1, 3]


def test_what_has_no_correlation_is_counted_and_draws_are_told_apart():
    table = summary(heat_map_facts(), BOOTSTRAP).set_index(["measure", "network"])
    svli = table.loc[("randomised_correlation", "svli")]
    assert svli[["slices", "missing", "dead_maps"]].tolist() == [3, 1, 0]
    assert svli["mean"] == pytest.approx(-0.3)
    assert svli[["draw_least", "draw_greatest"]].tolist() == pytest.approx([-0.5, -0.1])
    assert table.loc[("randomised_correlation", "svli - unet"), "missing"] == 1


def test_survival_is_measured_slice_by_slice_and_stage_by_stage():
    generator = np.random.default_rng(0)
    fine, coarse = generator.standard_normal((3, 8, 8)), generator.standard_normal((3, 4, 4))
    found = survival([fine, coarse], [-fine, np.zeros_like(coarse)])
    assert found.shape == (3, 2)
    assert found[:, 0].tolist() == pytest.approx([-1] * 3)
    assert np.isnan(found[:, 1]).all()


def test_rows_tell_a_dead_map_from_one_that_misses():
    table = pd.DataFrame({"slice_id": ["a0"], "patient": ["a"], "spacing_row_mm": [1.0]})
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 1, 1] = 1
    heat = np.zeros((1, 2, 8, 8), np.float32)
    heat[0, 1, 7, 7] = 1
    params = {"gradcam": {"tolerance_mm": 1.0}, "evaluation": {"threshold": 0.5}}
    shard = Shard(table, np.zeros((1, 8, 8), np.float16), mask)
    drawn = np.array([[[0.5, np.nan]], [[-0.1, np.nan]]])
    rows = slice_rows(shard, heat, drawn, mask.astype(np.float32), params)
    assert [row["has_heat"] for row in rows] == [0, 1]
    assert all(row[name] == 0 for row in rows for name in MEASURES[:3])
    assert rows[0]["randomised_correlation"] == pytest.approx(0.2)
    assert np.isnan(rows[1]["randomised_correlation"])
    assert (rows[0]["draw_2"], rows[0]["dice"]) == (-0.1, 1)


def test_cases_follow_their_rules():
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[:, 1, 1] = 1
    masks[3, 5, 5] = 1
    table = pd.DataFrame({"slice_id": ["a0", "a1", "b0", "c0"]})
    found = chosen_cases(heat_map_facts(), Shard(table, np.zeros((4, 8, 8), np.float16), masks))
    assert found["slice_id"].tolist() == ["a1", "c0"]
    assert found["row"].tolist() == [1, 3]


def test_without_variants_nothing_is_run_and_that_is_said(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    params = read_preset("own_first", SOURCE / "presets")
    folders = ("results",)
    run(Stage(Definition("gradcam", (), (), folders), params, ["gradcam"]))
    assert "not run: tables.variants" in capsys.readouterr().err
    facts, cases = (read_csv(f"results/gradcam/{name}.csv") for name in ("slices", "cases"))
    assert not len(facts)
    assert not len(cases)
    assert read_tensors("results/gradcam/maps.safetensors") == {}
    write_csv(tmp_path / "summary.csv", summary(facts, BOOTSTRAP))
    assert gradcam_findings(read_csv(tmp_path / "summary.csv")) == {}
