"""The stopping Dice against counting by hand."""

import math

import numpy as np
import torch

from textbcs.training.validation_dice import dice, mean_dice


def test_dice_equals_counting_pixels():
    rng = np.random.default_rng(1)
    probability, mask = rng.random((20, 7, 9)), rng.random((20, 7, 9)) < 0.3
    found = dice(torch.tensor(probability), torch.tensor(mask, dtype=torch.uint8), 0.6)
    for p, t, value in zip(probability > 0.6, mask, found.tolist(), strict=True):
        assert value == 2 * int((p & t).sum()) / (int(p.sum()) + int(t.sum()))


def test_threshold_is_exclusive_and_float32_masks_count_as_masks():
    probability = torch.tensor([[[0.5, 0.500001]]])
    assert dice(probability, torch.tensor([[[1.0, 1.0]]])).item() == 2 / 3


def test_empty_masks():
    """Both empty is undefined; one empty is a plain failure."""
    one, none = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    assert math.isnan(dice(none, none).item())
    assert dice(one, none).item() == 0
    assert dice(none, one).item() == 0


def test_mean_leaves_out_what_is_undefined():
    values = torch.tensor([1.0, math.nan, 0.5], dtype=torch.float64)
    assert mean_dice(values).item() == 0.75
    assert mean_dice(torch.tensor([math.nan])).item() == 0
