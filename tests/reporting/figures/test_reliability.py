"""Reliability diagrams from diagrams made by hand: what is drawn, and how it is called."""

import numpy as np
import pandas as pd

from textbcs.evaluation.uncertainty.resampled_scores import DIAGRAMS
from textbcs.reporting.common import probability_names
from textbcs.reporting.figures import reliability

CALLED = {"unet": "UNet", "textbcs": "TextBCS"}
GROUPS = {"UNet and more": ["unet"], "TextBCS": ["textbcs"]}


def diagrams(*sets: tuple[str, str]) -> pd.DataFrame:
    """Two bins a scope and set of probabilities, a bin of which has no limits."""
    rows = []
    for method, kind in sets:
        for scope in reliability.SCOPES:
            error = (method, kind, 1, scope, 0.0833, 0.04, 0.13)
            rows.append((*error, 1, 0.1, 0.0, np.nan, np.nan, 5))
            rows.append((*error, 2, 0.9, 0.7, 0.6, 0.8, 5))
    return pd.DataFrame(rows, columns=list(DIAGRAMS))


def test_reliability_draws_each_group_with_bands_and_percent() -> None:
    sets = [("textbcs", "raw"), ("unet", "scaled"), ("unet", "raw"), ("unet", "ensemble")]
    sets += [("textbcs", "scaled"), ("other", "raw")]
    shown = reliability.bin_rows(diagrams(*sets), CALLED, GROUPS)
    assert len(shown) == 3 * 2 * 2
    figure = reliability.draw(shown)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "UNet and more:\nregion of interest",
        "TextBCS:\nregion of interest",
        "UNet and more:\nwhole image",
        "TextBCS:\nwhole image",
    ]
    panel = figure.axes[0]
    assert [line.get_ydata().tolist() for line in panel.lines[1:]] == [[0, 0.7]] * 2
    assert [line.get_label() for line in panel.lines[1:]] == [
        "UNet\nECE 8.33 % (4.00 to 13.00)",
        "UNet, temperature-scaled (image)\nECE 8.33 % (4.00 to 13.00)",
    ]
    corners = panel.collections[0].get_paths()[0].vertices
    for corner in ((0.1, 0.0), (0.9, 0.6), (0.9, 0.8)):  # no limits: no width
        assert np.isclose(corners, corner).all(axis=1).any()


def test_networks_are_grouped_by_what_they_share() -> None:
    params = {
        "methods": {"textbcs": {"network": {"svli": True, "evidential": True}}},
        "tables": {"variants": ["none", "wet", "svli"]},
        "variants": {
            "none": {"network": {"svli": False, "evidential": False}},
            "wet": {"network": {"svli": False, "evidential": False, "dropout": 0.2}},
            "svli": {"network": {"evidential": False}},
        },
    }
    assert list(probability_names.groups(params).values()) == [
        ["unet"],
        ["none", "wet"],
        ["svli", "textbcs"],
    ]
    # Where no row of the ablation is the proposed method, it stands alone.
    plain = {"textbcs": {"network": {"svli": False, "evidential": False}}}
    found = probability_names.groups({"methods": plain, "tables": {"variants": []}, "variants": {}})
    assert ["textbcs"] in found.values()
