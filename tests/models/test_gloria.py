"""GLoRIA: counts, the local similarity word by word, and the segmentation loss it shares with MGCA."""

import math

import pytest
import torch
from torch.nn import functional

from textbcs.models.common import mixed_loss, registry
from textbcs.models.common.contract import Batch, Output, TextBatch
from textbcs.models.common.contrastive import Tokens
from textbcs.models.gloria.contrastive import word_similarity

CONFIG = {"model": "gloria", "width": 4, "blocks": [1, 1, 1, 1]}


def test_full_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        full = registry.full_size(CONFIG)
        network = registry.build(full, channels=3, image_size=224, text_dim=768)
    assert sum(p.numel() for p in network.parameters()) == 32_521_105  # smp.Unet("resnet50")


def test_word_similarity_is_the_papers_pair_by_pair():
    torch.manual_seed(4)
    regions, words = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    found = word_similarity(Tokens(regions, words, mask), 4.0, 5.0)
    for image in range(2):
        for prompt in range(2):
            real = words[prompt][mask[prompt]]
            shares = (regions[image] @ real.T).softmax(1)  # over the words
            attention = (4.0 * shares).softmax(0)  # over the regions
            seen = attention.T @ regions[image]
            cosine = functional.cosine_similarity(real, seen)
            expected = torch.log(torch.exp(5.0 * cosine).sum())
            torch.testing.assert_close(found[image, prompt], expected)


def test_focal_loss_by_hand_and_without_its_exponent():
    logits, mask = torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[1.0, 0.0]]])
    wrong = 1 / (1 + math.exp(-2.0))
    expected = (0.25 * math.log(2) - wrong**2 * math.log(1 - wrong)) / 2
    assert mixed_loss.focal_loss(logits, mask, 2.0).item() == pytest.approx(expected, rel=1e-6)
    plain = functional.binary_cross_entropy_with_logits(logits, mask)
    torch.testing.assert_close(mixed_loss.focal_loss(logits, mask, 0.0), plain)


def test_log_dice_by_hand():
    probability = torch.tensor([[[0.5, 0.0]], [[1.0, 0.5]]])
    mask = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    expected = -math.log((2 * 1.5 + 1) / (2 + 2 + 1))  # over the batch, smoothed by one pixel
    assert mixed_loss.log_dice_loss(probability, mask).item() == pytest.approx(expected)
    empty = torch.zeros(1, 2, 2)
    assert mixed_loss.log_dice_loss(empty, empty) == 0


def test_segmentation_objective_is_ten_times_focal_minus_log_dice():
    logits = torch.randn(2, 1, 4, 4)
    mask = (torch.rand(2, 4, 4) < 0.3).float()
    batch = Batch(logits, mask, TextBatch(logits, logits), *[torch.zeros(2)] * 3)
    objective = registry.objective("gloria", {"focal_weight": 10.0, "focal_gamma": 2.0})
    total, parts = objective(Output(logits[:, 0].sigmoid(), logits), batch, 1)
    torch.testing.assert_close(total, 10 * parts["focal"] + parts["log_dice"])
    assert parts["focal"] == mixed_loss.focal_loss(logits[:, 0], mask, 2.0)
