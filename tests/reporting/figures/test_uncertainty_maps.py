"""Uncertainty maps: the formulas of the evidence."""

import numpy as np
import pytest

from textbcs.reporting.figures import uncertainty_maps

SIZE = 16
EVIDENCE = np.array([3.0, 1.0])


def test_uncertainty_maps_are_the_evidence_formulas() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[4:8, 4:8] = 1
    probability = np.where(np.arange(SIZE) < 6, 0.75, 0.25)[None].repeat(SIZE, 0)
    evidence = np.broadcast_to(EVIDENCE[:, None, None], (2, SIZE, SIZE))
    predicted = {"probability": probability, "evidence": evidence}
    shown = uncertainty_maps.pixel_rows(np.zeros((SIZE, SIZE)), mask, predicted, 0.5)
    # The square of half a side around (5.5, 5.5) is 1 to 8; alpha = (4, 2), S = 6.
    assert (shown["row"].min(), shown["row"].max(), len(shown)) == (1, 8, 64)
    assert shown["vacuity"].tolist() == pytest.approx([1 / 3] * 64, rel=1e-3)
    share = 2 / 3
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert shown["entropy"].tolist() == pytest.approx([entropy] * 64, rel=1e-3)
    # Columns 1 to 5 are predicted: 5 x 8 pixels, 2 x 4 of them inside; columns 6 and 7 are missed.
    assert shown["error"].value_counts().to_dict() == {1: 32, -1: 8, 0: 24}
    figure = uncertainty_maps.draw(shown, "a-1", 0.5)
    drawn = np.asarray(figure.axes[2].images[0].get_array())
    assert drawn.ravel().tolist() == shown["vacuity"].tolist()
    plain = uncertainty_maps.pixel_rows(mask, mask, {"probability": probability}, 0.5)
    assert "vacuity" not in plain
    assert plain["entropy"].iloc[0] == pytest.approx(
        -0.75 * np.log(0.75) - 0.25 * np.log(0.25), rel=1e-3
    )
    assert len(uncertainty_maps.draw(plain, "a-1", 0.5).axes) == 3 + 1
