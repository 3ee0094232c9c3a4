"""Figures are readable in grey and for the colour-blind."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from textbcs.reporting.figures.canvas import LOOKS, PREDICTION, TRUTH, new_figure, outlines

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SEEN_WITH = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colour: str, matrix: list[list[float]]) -> np.ndarray:
    """A colour as it is seen, in sRGB from 0 to 1."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.array(matrix) @ linear, 0, 1)
    return np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", SEEN_WITH)
def test_colours_that_meet_in_a_figure_differ_for_the_colour_blind(kind: str) -> None:
    matrix = SEEN_WITH[kind]
    pairs = [*combinations([colour for colour, _, _ in LOOKS], 2), (TRUTH, PREDICTION)]
    for first, second in pairs:
        # A brown and an olive (#A06050, #6F7040) are 0.07 apart to a deuteranope, 0.24 to others.
        assert np.linalg.norm(seen(first, matrix) - seen(second, matrix)) > 0.1, (first, second)


def test_in_grey_lines_differ_in_dashes_and_markers() -> None:
    assert len({line for _, line, _ in LOOKS}) == len({mark for _, _, mark in LOOKS}) == len(LOOKS)
    mask = np.zeros((8, 8))
    mask[2:5, 2:5] = 1
    axes = new_figure(1, 1).subplots()
    outlines(axes, mask, np.roll(mask, 2), 0.5)
    truth, prediction = (one.get_linestyle()[0][1] for one in axes.collections)
    assert truth is None
    assert prediction is not None
