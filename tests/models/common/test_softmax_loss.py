"""The loss that the softmax methods share, against numbers worked out by hand and by numpy."""

import math

import numpy as np
import pytest
import torch

from textbcs.models.common import registry
from textbcs.models.common.contract import Batch, Output, TextBatch
from textbcs.models.common.losses import softmax_dice_ce


def test_equal_logits_give_ln_2_and_the_dice_of_one_half_everywhere():
    mask = torch.zeros(2, 4, 4)
    mask[0, :2] = 1  # 8 of 32 pixels
    total, parts = softmax_dice_ce(torch.zeros(2, 2, 4, 4), mask, dice_weight=0.5, ce_weight=0.5)
    # class: 2 * 0.5 * n / (0.25 * 32 + n)
    dice = 1 - (24 / (8 + 24) + 8 / (8 + 8)) / 2
    assert float(parts["ce"]) == pytest.approx(math.log(2), abs=1e-6)
    assert float(parts["dice"]) == pytest.approx(dice, abs=1e-6)
    assert float(total) == pytest.approx(0.5 * math.log(2) + 0.5 * dice, abs=1e-6)


def test_dice_pools_the_batch_and_covers_both_classes():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(3, 2, 5, 5))
    mask = (generator.random((3, 5, 5)) < 0.3).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.stack([1 - mask, mask], axis=1)
    ratios = [
        (2 * (p[:, c] * y[:, c]).sum() + 1e-5)
        / ((p[:, c] ** 2).sum() + (y[:, c] ** 2).sum() + 1e-5)
        for c in (0, 1)
    ]
    entropy = -np.log((p * y).sum(1)).mean()
    total, parts = softmax_dice_ce(
        torch.tensor(logits), torch.tensor(mask), dice_weight=0.6, ce_weight=0.4
    )
    assert float(parts["dice"]) == pytest.approx(1 - np.mean(ratios), abs=1e-6)
    assert float(parts["ce"]) == pytest.approx(entropy, abs=1e-6)
    assert float(total) == pytest.approx(0.6 * (1 - np.mean(ratios)) + 0.4 * entropy, abs=1e-6)


def test_a_sure_and_right_answer_costs_nothing_with_and_without_foreground():
    for share in (0.0, 0.5):
        mask = (torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)) < share).float()
        logits = torch.stack([1 - mask, mask], dim=1) * 60 - 30
        total, _ = softmax_dice_ce(logits, mask, dice_weight=0.5, ce_weight=0.5)
        assert 0 <= float(total) < 1e-6


@pytest.mark.parametrize("model", ["transunet", "swinunet"])
def test_the_objective_of_a_method_takes_its_weights_from_the_loss_block(model):
    logits = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(2, 4, 4)
    mask[:, 1] = 1
    rows = torch.arange(2)
    text = TextBatch(torch.zeros(2, 1, 1), torch.ones(2, 1, dtype=torch.bool))
    batch = Batch(torch.zeros(2, 3, 4, 4), mask, text, rows, torch.zeros(2, 4).long(), rows)
    objective = registry.objective(model, {"dice_weight": 0.75, "ce_weight": 2.0})
    total, parts = objective(Output(logits.softmax(1)[:, 1], logits), batch, 1)
    expected = 0.75 * parts["dice"] + 2 * parts["ce"]
    assert float(total) == pytest.approx(float(expected), abs=1e-6)
    assert float(parts["dice"]) > 0 < float(parts["ce"])
