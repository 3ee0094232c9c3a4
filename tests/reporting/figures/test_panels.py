"""Panels of slices: what is drawn, what is said where a panel cannot show it."""

import numpy as np
import pandas as pd
import pytest

from textbcs.reporting.figures import failures, gradcam_cases, qualitative
from textbcs.reporting.figures import overview as overview_figure

SIZE = 16


class _Shard:
    def __init__(self) -> None:
        self.table = pd.DataFrame({"slice_id": ["a-1"]})
        self.images = np.zeros((1, SIZE, SIZE), np.float16)
        self.masks = np.zeros((1, SIZE, SIZE), np.uint8)
        self.masks[0, 2:4, 2:4] = 1


class _Run:
    method = "unet"
    slices = pd.DataFrame({"slice_id": ["a-1"], "dice": [0.5], "kind": ["tumour"]})


class _FailedRun:
    method = "unet"
    slices = pd.DataFrame(
        {
            "slice_id": ["a-1", "b-1", "c-1", "c-9"],
            "kind": ["tumour"] * 3 + ["negative"],
            "dice": [0.9, 0.7, 0.5, np.nan],
            "lesions": [1, 1, 2, 0],
            "lesions_found": [1, 1, 1, 0],
            "reference_mm2": [160.0, 160.0, 160.0, 0.0],
            "false_positive_mm2": [1.0, 2.0, 3.0, 4.0],
        }
    )


def test_pixels_that_a_panel_cannot_show_are_counted() -> None:
    # The square around the mask is rows and columns 0 to 7.
    found = np.zeros((1, SIZE, SIZE), np.float16)
    found[0, 2:4, 2:5] = found[0, 12:14, 12] = 0.9
    shard = _Shard()
    shown = qualitative.case_rows({"best": 0}, {"unet": _Run()}, {"unet": found}, shard, 0.5)
    assert shown[["pixels", "pixels_outside"]].iloc[0].tolist() == [8, 2]
    figure = qualitative.draw(shown, {"unet": found}, shard, 0.5)
    assert figure.axes[1].get_title() == "UNet\nDice 0.50"
    assert figure.axes[1].get_xlabel() == "2 px outside frame"
    everywhere = np.ones_like(found)
    shown = shown.assign(pixels=SIZE * SIZE)
    figure = qualitative.draw(shown, {"unet": everywhere}, shard, 0.5)
    assert figure.axes[1].get_xlabel() == "the whole slice\npredicted"
    shown = shown.assign(pixels=0, pixels_outside=0)
    figure = qualitative.draw(shown, {"unet": 0 * found}, shard, 0.5)
    assert figure.axes[1].get_xlabel() == "nothing predicted"


def test_an_outline_is_closed_at_the_edge_and_widens_no_picture() -> None:
    shown = failures.failure_rows({"lowest Dice": 0}, _FailedRun(), {"a-1": "location left"})
    figure = failures.draw(shown, np.ones((1, SIZE, SIZE)), _Shard(), 0.5)
    whole = figure.axes[0]
    assert (whole.get_xlim(), whole.get_ylim()) == ((-0.5, SIZE - 0.5), (SIZE - 0.5, -0.5))
    assert len(whole.collections) == 2
    assert whole.collections[1].get_paths()[0].vertices.max() == pytest.approx(SIZE - 0.5)
    assert figure.axes[1].get_xlabel() == "prompt: location left"


def test_no_failure_is_said() -> None:
    shown = failures.failure_rows({}, _Run(), {})
    figure = failures.draw(shown, np.zeros((0, SIZE, SIZE)), _Shard(), 0.5)
    assert shown["slice_id"].tolist() == ["none"] * 3
    assert figure.get_supxlabel().endswith(
        "no further slice by the rule: lowest Dice, most missed lesions, most false positive area"
    )


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["unet", "convirt", "lvit", "textbcs"], ["unet", "lvit", "textbcs"]),
        (["unet", "textbcs"], ["unet", "textbcs"]),
        (["textbcs"], ["textbcs"]),
    ],
)
def test_the_overview_shows_what_was_run(there: list[str], expected: list[str]) -> None:
    assert overview_figure.columns(there, "textbcs") == expected
    assert overview_figure.columns(["unet", "lvit"], "lvit") == ["unet", "lvit"]


def test_an_overview_without_evidence_has_no_vacuity() -> None:
    found, shard, runs = np.zeros((1, SIZE, SIZE)), _Shard(), {"unet": _Run()}
    for vacuity, panels in ((None, 2), (np.full((1, SIZE, SIZE), 0.1), 4)):
        shown = overview_figure.overview_rows(
            {"best": 0}, runs, {"unet": found}, vacuity, shard, {"a-1": "left"}, 0.5
        )
        figure = overview_figure.draw(shown, {"unet": found}, vacuity, shard, 0.5)
        assert len(figure.axes) == panels  # with vacuity its scale too
        assert figure.get_supxlabel().startswith("best test slice of UNet by Dice")
        assert ("vacuity" in shown) == (vacuity is not None)


def test_a_heat_map_of_zeros_says_so() -> None:
    heat = np.zeros((1, 2, SIZE, SIZE), np.float16)
    heat[0, 0, 2, 2] = 4
    maps = {"unet": heat, "svli": heat}
    cases = pd.DataFrame({"rule": ["median"], "slice_id": ["a-1"]})
    keys = [(network, number) for network in maps for number in (1, 2)]
    facts = pd.DataFrame(keys, columns=["network", "stage"]).assign(
        slice_id="a-1", dice=0.5, pointing_hit=1.0, energy_inside=0.25, lift=2.0, seed=1, has_heat=1
    )
    shown = gradcam_cases.panel_rows(cases, facts, maps)
    assert shown["greatest"].tolist() == [4, 0, 4, 0]
    figure = gradcam_cases.draw(shown, maps, _Shard())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[1:3] == ["stage 1\n25.0 % inside", "stage 2\nzero everywhere"]
    assert [len(axes.images) for axes in figure.axes] == [1, 2, 1] * 2
