"""nnU-Net against its planner's rule, its published structure and its loss."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from textbcs.models.common import registry
from textbcs.models.common.contract import Batch, Output, TextBatch
from textbcs.models.common.nnunet_blocks import cropped, dice_ce, padded
from textbcs.models.nnunet.loss import level_weights, mask_at, objective
from textbcs.models.nnunet.network import features, patch_side, poolings

# PlainConvUNet with nnU-Net's topology rule, two classes: counted from the official code.
OFFICIAL = {(224, 1): 20_619_082, (224, 3): 20_619_658, (320, 3): 33_472_396, (512, 1): 46_324_558}


def build(size: int, width: int = 32, channels: int = 3):
    config = {"model": "nnunet", "width": width}
    return registry.build(config, channels=channels, image_size=size, text_dim=768)


def batch_of(mask: torch.Tensor) -> Batch:
    rows = torch.arange(len(mask))
    text = TextBatch(torch.zeros(len(mask), 1, 1), torch.ones(len(mask), 1, dtype=torch.bool))
    return Batch(torch.zeros(0), mask, text, rows, torch.zeros(len(mask), 4).long(), rows)


@pytest.mark.parametrize(
    ("side", "stages"), [(224, 6), (256, 7), (320, 7), (512, 8), (96, 5), (64, 5), (48, 4), (16, 3)]
)
def test_the_planner_halves_down_to_four_pixels(side, stages):
    """224 to 512 from the official planner; the smaller ones by hand: 96, 48, 24, 12, 6."""
    assert poolings(side) + 1 == stages
    assert len(features(side, 32)) == stages
    assert patch_side(side) == side


def test_an_image_that_the_depth_does_not_divide_gets_a_larger_patch():
    # 176, 88, 44, 22, 11, 6: five poolings, so 176 is padded to a multiple of 32.
    assert poolings(176) == 5
    assert patch_side(176) == 192
    assert features(224, 32) == (32, 64, 128, 256, 512, 512)


@pytest.mark.parametrize(("size", "channels"), OFFICIAL)
def test_parameters_are_as_many_as_in_the_official_network(size, channels):
    with torch.device("meta"):
        model = build(size, channels=channels)
    assert sum(p.numel() for p in model.parameters()) == OFFICIAL[size, channels]


def test_parameters_have_exactly_the_shapes_of_the_definition():
    widths = (32, 64, 128, 256, 512, 512)
    shapes: list[tuple[int, ...]] = []
    convolutions = list(zip((3, *widths[:-1]), widths, strict=True))
    convolutions += [(width, width) for width in widths]
    for here in widths[:-1]:
        convolutions += [(2 * here, here), (here, here)]
    for inputs, outputs in convolutions:  # a bias and the two weights of the normalisation
        shapes += [(outputs, inputs, 3, 3), (outputs,), (outputs,), (outputs,)]
    for here, below in pairwise(widths):
        shapes += [(below, here, 2, 2), (here,)]  # transposed convolution
        shapes += [(2, here, 1, 1), (2,)]  # head
    with torch.device("meta"):
        model = build(224)
    assert sorted(tuple(p.shape) for p in model.parameters()) == sorted(shapes)


def test_deeper_heads_answer_while_training_only():
    torch.manual_seed(0)
    model = build(48, width=2)
    image = torch.rand(2, 3, 48, 48)
    output = model.train()(image, None)
    assert {name: tuple(x.shape) for name, x in output.auxiliary.items()} == {
        "level_1": (2, 2, 24, 24),
        "level_2": (2, 2, 12, 12),
    }
    assert output.logits.shape == (2, 2, 48, 48)
    torch.testing.assert_close(output.probability, output.logits.softmax(1)[:, 1])
    again = model.eval()(image, None)
    assert not again.auxiliary
    assert torch.equal(again.logits, output.logits)  # instance normalisation has no memory


def test_padding_is_cut_off_again_and_reaches_the_masks_of_the_heads():
    torch.manual_seed(0)
    model = build(176, width=1).train()
    mask = torch.zeros(1, 176, 176)
    mask[:, 40:80, 40:80] = 1
    output = model(torch.rand(1, 3, 176, 176), None)
    assert output.logits.shape == (1, 2, 176, 176)
    assert output.auxiliary["level_1"].shape == (1, 2, 96, 96)
    total, _ = objective({})(output, batch_of(mask), 1)
    assert total.isfinite()
    half = mask_at(mask, 1, 96)[0]
    expected = torch.zeros(96, 96)
    expected[24:44, 24:44] = 1  # (40 + 8) / 2 to (80 + 8) / 2
    assert torch.equal(half, expected)
    x = torch.rand(1, 176, 175)
    assert torch.equal(cropped(padded(x, 192), 176, 175), x)


def test_a_head_sees_every_second_pixel_of_the_mask():
    mask = torch.arange(64.0).view(1, 8, 8)
    assert torch.equal(mask_at(mask, 1, 4), mask[:, 1::2, 1::2])
    assert torch.equal(mask_at(mask, 2, 2), mask[:, 2::4, 2::4])


def test_level_weights_are_halves_and_the_coarsest_is_dropped():
    assert level_weights(5) == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15, 0], abs=1e-6)
    assert sum(level_weights(5)) == pytest.approx(1)
    assert level_weights(5)[-1] > 0


def test_dice_and_cross_entropy_by_hand():
    """Two slices of two pixels. p = 3/4 where the logits differ by ln 3, else 1/2."""
    ln3 = torch.log(torch.tensor(3.0))
    logits = torch.zeros(2, 2, 1, 2)
    logits[0, 1, 0, 0] = ln3
    mask = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    # sum p y = 3/4 + 1/2 + 1/2, sum p = 9/4, sum y = 3: one ratio for the whole batch.
    parts = dice_ce(logits, mask)
    assert float(parts["dice"]) == pytest.approx(1 - 3.5 / 5.25, abs=1e-5)
    expected = (-torch.log(torch.tensor([0.75, 0.5, 0.5, 0.5]))).mean()
    torch.testing.assert_close(parts["ce"], expected)


def test_the_loss_weighs_the_levels():
    torch.manual_seed(0)
    mask = (torch.rand(2, 16, 16) < 0.3).float()
    logits = [torch.randn(2, 2, side, side) for side in (16, 8, 4)]
    heads = {"level_1": logits[1], "level_2": logits[2]}
    output = Output(logits[0].softmax(1)[:, 1], logits[0], auxiliary=heads)
    total, parts = objective({})(output, batch_of(mask), 1)
    torch.testing.assert_close(total, parts["dice"] + parts["ce"])
    fine = functional.cross_entropy(logits[0], mask.long())
    half = functional.cross_entropy(logits[1], mask[:, 1::2, 1::2].long())
    assert float(parts["ce"]) == pytest.approx(float(2 * fine + half) / 3, abs=1e-5)


def test_weights_start_as_he_normal():
    torch.manual_seed(0)
    model = build(64, width=16)
    weight = model.decoder[3][0][0].weight.detach()  # 256 -> 128 channels
    assert float(weight.std()) == pytest.approx((2 / 1.0001 / (256 * 9)) ** 0.5, rel=0.02)
    assert not model.decoder[3][0][0].bias.any()
