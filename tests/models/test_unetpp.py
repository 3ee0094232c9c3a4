"""UNet++ against its published structure and loss."""

import pytest
import torch

from textbcs.models.common import registry
from textbcs.models.common.contract import Batch, TextBatch
from textbcs.models.common.nnunet_blocks import dice_ce
from textbcs.models.unetpp.loss import objective

WIDTHS = (32, 64, 128, 256, 480, 480)  # the official code caps 2-D maps at 480 channels


def build(size: int, width: int = 32, poolings: int = 5):
    config = {"model": "unetpp", "width": width, "poolings": poolings}
    return registry.build(config, channels=3, image_size=size, text_dim=768)


def shapes_of_the_definition() -> list[tuple[int, ...]]:
    """Zhou et al. 2020: node (i, j) reads j nodes of its level and one from below."""
    convolutions = list(zip((3, *WIDTHS[:-1]), WIDTHS, strict=True))
    convolutions += [(width, width) for width in WIDTHS]
    shapes: list[tuple[int, ...]] = []
    for j in range(1, 6):
        for i in range(6 - j):
            convolutions += [(WIDTHS[i] * j + WIDTHS[i], WIDTHS[i]), (WIDTHS[i], WIDTHS[i])]
            shapes += [(WIDTHS[i + 1], WIDTHS[i], 2, 2)]  # transposed convolution, no bias
    for inputs, outputs in convolutions:  # a bias and the two weights of the normalisation
        shapes += [(outputs, inputs, 3, 3), (outputs,), (outputs,), (outputs,)]
    shapes += [(2, WIDTHS[0], 1, 1)] * 5  # heads, no bias
    return sorted(shapes)


def test_parameters_have_exactly_the_shapes_of_the_definition():
    with torch.device("meta"):
        model = build(224)
    assert sorted(tuple(p.shape) for p in model.parameters()) == shapes_of_the_definition()
    # The official network with five poolings, 3 channels and 2 classes.
    assert sum(p.numel() for p in model.parameters()) == 24_000_608


def test_five_heads_at_full_resolution_while_training_one_otherwise():
    torch.manual_seed(0)
    model = build(64, width=1)
    image = torch.rand(2, 3, 64, 64)
    output = model.train()(image, None)
    assert list(output.auxiliary) == ["column_1", "column_2", "column_3", "column_4"]
    assert {tuple(x.shape) for x in output.auxiliary.values()} == {(2, 2, 64, 64)}
    again = model.eval()(image, None)
    assert not again.auxiliary
    assert torch.equal(again.logits, output.logits)
    torch.testing.assert_close(again.probability, again.logits.softmax(1)[:, 1])


def test_a_column_reads_only_the_columns_before_it():
    """The head of column j sees level j of the encoder and nothing deeper."""
    torch.manual_seed(0)
    model = build(64, width=2).train()
    output = model(torch.rand(1, 3, 64, 64), None)
    heads = [*output.auxiliary.values(), output.logits]
    for j, head in enumerate(heads, 1):
        model.zero_grad()
        head.pow(2).sum().backward(retain_graph=True)
        seen = [bool(stage[0][0].weight.grad is not None) for stage in model.encoder]
        assert seen == [level <= j for level in range(6)]


@pytest.mark.parametrize(("size", "poolings", "side"), [(32, 5, 64), (80, 5, 96), (48, 3, 48)])
def test_other_sizes_are_padded_inside(size, poolings, side):
    torch.manual_seed(0)
    model = build(size, width=1, poolings=poolings)
    output = model.train()(torch.rand(1, 3, size, size), None)
    assert model.side == side
    assert len(output.auxiliary) == poolings - 1
    assert output.logits.shape == (1, 2, size, size)
    assert output.auxiliary["column_1"].shape == (1, 2, size, size)


def test_the_loss_is_the_mean_over_the_heads():
    torch.manual_seed(0)
    output = build(64, width=1).train()(torch.rand(2, 3, 64, 64), None)
    mask = (torch.rand(2, 64, 64) < 0.2).float()
    rows = torch.arange(2)
    text = TextBatch(torch.zeros(2, 1, 1), torch.ones(2, 1, dtype=torch.bool))
    batch = Batch(torch.zeros(0), mask, text, rows, torch.zeros(2, 4).long(), rows)
    total, parts = objective({})(output, batch, 1)
    heads = [output.logits, *output.auxiliary.values()]
    for name in ("dice", "ce"):
        expected = sum(dice_ce(head, mask)[name] for head in heads) / 5
        torch.testing.assert_close(parts[name], expected)
    torch.testing.assert_close(total, parts["dice"] + parts["ce"])
