"""Free response and volume agreement: what is drawn, from made-up scores."""

import pytest
import volumes

from textbcs.base.variants import volume_methods
from textbcs.reporting.volumes import bland_altman, free_response

METHODS = volume_methods(volumes.PARAMS)


def test_a_line_has_its_thresholds_and_its_operating_point() -> None:
    patients = volumes.all_patients((1, 2))
    shown = free_response.curve_rows(volumes.curve(patients), patients, METHODS, 2)
    assert list(dict.fromkeys(shown["method"])) == METHODS
    own = shown[(shown["method"] == "textbcs") & (shown["source"] == "automatic")]
    assert own["kind"].tolist() == ["curve"] * 3 + ["operating point"]
    assert own["sensitivity"].tolist()[:2] == pytest.approx([100, 75])
    assert own["false_components"].tolist()[:3] == [4, 1, 0]
    rows = volumes.patient_rows("textbcs", "automatic", 2)
    share = rows["lesions_found"].sum() / rows["lesions"].sum()
    assert own["sensitivity"].iloc[-1] == pytest.approx(100 * share)
    assert own["false_components"].iloc[-1] == pytest.approx(rows["false_components"].mean())


def test_a_panel_a_network_with_a_line_a_source_and_the_yardstick() -> None:
    patients = volumes.all_patients()
    shown = free_response.curve_rows(volumes.curve(patients), patients, METHODS, 1)
    panels = [axes for axes in free_response.draw(shown).axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels][1:4] == ["nnUNet", "LViT", "TextBCS"]
    # Of each source a curve and its point; of another network than nnU-Net the broad grey line too.
    counts = [len(axes.lines) for axes in panels]
    assert counts == [2 + 1, 2, 10 + 1, 10 + 1, 2 + 1, 10 + 1]


def test_errors_are_of_what_a_network_would_be_asked_with() -> None:
    shown = bland_altman.error_rows(volumes.all_patients((1, 2)), METHODS, 1)
    assert set(shown["source"]) == {"none", "automatic"}
    assert len(shown) == len(METHODS) * volumes.PATIENTS
    row = shown[shown["method"] == "lvit"].iloc[3]
    own = volumes.patient_rows("lvit", "automatic").iloc[3]
    assert row["error_ml"] == pytest.approx(own["predicted_ml"] - own["reference_ml"])
    assert row["mean_ml"] == pytest.approx((own["predicted_ml"] + own["reference_ml"]) / 2)
    figure = bland_altman.draw(shown[shown["method"].isin(METHODS[:2])])
    axes = figure.axes[0]
    levels = [line.get_ydata()[0] for line in axes.lines[2:]]
    first = shown.iloc[0]
    assert levels == [first["bias_ml"], first["low_ml"], first["high_ml"]]
    assert axes.get_xlabel().startswith(f"bias {first['bias_ml']:.2f}, limits ")
    one = bland_altman.error_rows(volumes.patient_rows("unet", "none").iloc[:1], ["unet"], 1)
    assert "limits" not in bland_altman.draw(one).axes[0].get_xlabel()
