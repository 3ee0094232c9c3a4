"""Heat maps against numeric derivatives, and the stage's tables by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from textbcs.explain.attention import chosen_cases, summary
from textbcs.explain.gradcam import STAGES, heat_maps, stage_maps
from textbcs.io import InputError
from textbcs.models import registry
from textbcs.models.contract import TextBatch
from textbcs.params import read_yaml
from textbcs.slices.store import Shard

BOOTSTRAP = {"resamples": 199, "seed": 1, "confidence": 0.95}
NETWORK = read_yaml("presets/tiny.yaml")["methods"]["textbcs"]["network"]


def network(svli: bool):
    torch.manual_seed(0)
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
    heat, _ = heat_maps(model, image, text, threshold=1.0)
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
    coarse = (weights[:, :, None, None] * values).sum(1, keepdim=True).relu()
    expected = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(heat[:, 4].double(), expected, rtol=2e-3, atol=1e-6)


def test_only_the_predicted_mask_is_explained():
    model = network(False)
    image, text = example()
    _, probability = heat_maps(model, image, text, 0.5)
    threshold = float(probability.flatten(1).quantile(0.9, dim=1).min())
    some, _ = heat_maps(model, image, text, threshold)
    every, _ = heat_maps(model, image, text, 1.0)
    assert not torch.allclose(some, every)


def test_another_family_is_refused():
    with pytest.raises(InputError, match="needs a UNet trunk"):
        stage_maps(torch.nn.Linear(2, 2), *example())  # type: ignore[arg-type]


def facts() -> pd.DataFrame:
    rows = [
        {
            "slice_id": f"{patient}{index}",
            "patient": patient,
            "network": label,
            "stage": 1,
            "dice": 0.1 * place,
            "pointing_hit": float(label == "svli"),
            "energy_inside": 0.2 if label == "unet" else 0.5,
            "lift": np.nan if (label, patient) == ("unet", "c") else 2.0,
            "randomised_correlation": 0.3,
        }
        for label in ("unet", "svli")
        for place, (patient, index) in enumerate([("a", 0), ("a", 1), ("b", 0), ("c", 0)])
    ]
    return pd.DataFrame(rows)


def test_summary_is_paired_and_by_patient():
    table = summary(facts(), BOOTSTRAP).set_index(["measure", "network"])
    assert table.loc[("energy_inside", "svli - unet"), "mean"] == pytest.approx(0.3)
    assert table.loc[("pointing_hit", "svli"), "mean"] == 1
    assert table.loc[("lift", "unet"), "slices"] == 3
    assert table.loc[("lift", "svli - unet"), "slices"] == 3
    assert table.loc[("energy_inside", "unet"), "patients"] == 3


def test_cases_follow_their_rules():
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[:, 1, 1] = 1
    masks[3, 5, 5] = 1
    table = pd.DataFrame({"slice_id": ["a0", "a1", "b0", "c0"]})
    found = chosen_cases(facts(), Shard(table, np.zeros((4, 8, 8), np.float16), masks))
    assert found["slice_id"].tolist() == ["a1", "c0"]
    assert found["row"].tolist() == [1, 3]
