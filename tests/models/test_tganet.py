"""TGANet: its published size, its stand-ins for the words' vectors, and its loss by hand."""

import math
from collections import Counter

import pytest
import torch
from test_contract import batch_of
from torch import nn

from textbcs.models.common import registry
from textbcs.models.common.contract import Batch, Output, TextBatch
from textbcs.models.tganet.loss import known_cross_entropy, pooled_dice_loss
from textbcs.models.tganet.network import (
    ChannelAttention,
    DecoderStep,
    LabelAttention,
    WordFusion,
    word_vectors,
)

SMALL = {"model": "tganet", "width": 8, "blocks": [1, 1, 1]}
FULL = {"model": "tganet", "width": 64, "blocks": [3, 4, 6]}
TEXT = TextBatch(torch.zeros(3, 2, 6), torch.ones(3, 2, dtype=torch.bool))


def make(seed: int = 0, size: int = 64):
    torch.manual_seed(seed)
    return registry.build(SMALL, channels=3, image_size=size, text_dim=6)


def full() -> nn.Module:
    with torch.device("meta"):
        return registry.build(FULL, channels=3, image_size=224, text_dim=768)


def test_full_width_has_the_official_number_of_parameters() -> None:
    assert sum(p.numel() for p in full().parameters()) == 19_837_423


def test_shapes_of_the_official_parts() -> None:
    shapes = Counter(tuple(p.shape) for p in full().parameters())
    assert shapes[(128, 1500, 1, 1)] == 1  # five words of 300 numbers
    assert shapes[(128, 1024)] == 2  # a head for the number, one for the size
    assert (shapes[(2, 128)], shapes[(3, 128)]) == (1, 1)
    assert shapes[(128, 1024, 3, 3)] == 3  # three dilated convolutions of the deepest map
    assert shapes[(8, 128, 1, 1)] == 19  # channel attentions: 4 maps x 4 reaches, 3 steps
    assert shapes[(1, 2, 7, 7)] == 7  # spatial attentions: 4 maps, 3 steps
    assert not [
        shape for shape in shapes if shape[0] == 2048
    ]  # the ResNet's last stage is left out


def test_full_size_runs_on_shapes_alone() -> None:
    text = TextBatch(
        torch.empty(1, 4, 768, device="meta"), torch.ones(1, 4, dtype=torch.bool, device="meta")
    )
    output = full()(torch.empty(1, 3, 224, 224, device="meta"), text)
    assert output.logits.shape == (1, 1, 224, 224)
    assert output.auxiliary["number"].shape == (1, 2)
    assert output.auxiliary["size"].shape == (1, 3)


def test_word_vectors_are_fixed_orthogonal_and_of_unit_mean_square() -> None:
    torch.manual_seed(0)
    vectors = word_vectors()
    torch.manual_seed(1)
    assert torch.equal(vectors, word_vectors())
    torch.testing.assert_close(vectors @ vectors.T / 300, torch.eye(5), atol=1e-6, rtol=0)


def test_words_count_as_much_as_they_are_probable() -> None:
    fusion = WordFusion(4)
    seen: list[torch.Tensor] = []
    fusion.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    number, size = torch.log(torch.tensor([[1.0, 3.0]])), torch.log(torch.tensor([[5.0, 3.0, 2.0]]))
    fusion(number, size)
    weights = torch.tensor([0.25, 0.75, 0.5, 0.3, 0.2])
    expected = word_vectors() * weights[:, None]
    torch.testing.assert_close(seen[0].reshape(5, 300), expected)


def test_predicted_attributes_change_the_mask_and_the_prompt_does_not() -> None:
    image = torch.rand(3, 3, 64, 64)
    model = make().eval()
    answer = model(image, TEXT).probability
    assert torch.equal(answer, model(image, TextBatch(TEXT.tokens + 5, TEXT.mask)).probability)
    with torch.no_grad():
        for layer in (model.number.layers[2], model.size.layers[2]):
            layer.weight.mul_(-1e4)
    assert not torch.equal(answer, model(image, TEXT).probability)


def test_label_attention_by_hand() -> None:
    attention = LabelAttention(2)
    with torch.no_grad():
        attention.layers[0].weight.copy_(torch.eye(2)[:, :, None, None])
        attention.layers[2].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]])[:, :, None, None])
    x = torch.ones(1, 2, 1, 1)
    found, said = attention(x, torch.tensor([[0.5, -1.0]]))
    assert said.tolist() == [[1.0, 0.0]]  # the negative label is rectified away
    assert found.flatten().tolist() == pytest.approx([1 / (1 + math.exp(-1)), 0.5])


def test_channel_attention_adds_what_mean_and_maximum_say() -> None:
    attention = ChannelAttention(2)
    with torch.no_grad():
        attention.narrow.weight.zero_()
        attention.narrow.weight[0, 0] = 1.0
        attention.widen.weight.zero_()
        attention.widen.weight[1, 0] = 0.1
    x = torch.tensor([[1.0, 3.0], [4.0, 8.0]])[None, :, None, :]
    weight = 1 / (1 + math.exp(-0.1 * (2 + 3)))  # channel 0 has mean 2 and maximum 3
    assert attention(x).flatten().tolist() == pytest.approx([0.5, 1.5, 4 * weight, 8 * weight])


def test_a_decoder_step_keeps_every_earlier_answer() -> None:
    """relu(c4 + s1 + s2 + s3) and so on: with convolutions that give 0, x doubles three times over."""
    torch.manual_seed(0)
    step = DecoderStep(16).eval()
    seen: list[torch.Tensor] = []
    step.channels.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for layer in step.refine:
            layer[0].weight.zero_()
    below, skip = torch.rand(1, 16, 2, 2), torch.rand(1, 16, 4, 4)
    up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)(below)
    joined = step.join(torch.cat([up, skip], dim=1))
    step(below, skip)
    torch.testing.assert_close(
        seen[0], 4 * joined
    )  # s1; s2 = s1; s3 = s1 + s2; last = s1 + s2 + s3


def test_pooled_dice_by_hand() -> None:
    probability = torch.tensor([[[0.5, 1.0]], [[0.0, 0.5]]])
    mask = torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])
    assert float(pooled_dice_loss(probability, mask)) == pytest.approx(
        1 - (2 * 1.5 + 1) / (2 + 2 + 1)
    )


def test_unknown_labels_are_left_out_and_none_known_gives_zero() -> None:
    logits = torch.log(torch.tensor([[1.0, 3.0], [1.0, 1.0], [4.0, 1.0]])).requires_grad_()
    label = torch.tensor([1, -1, 0])
    assert float(known_cross_entropy(logits, label).detach()) == pytest.approx(
        -(math.log(0.75) + math.log(0.8)) / 2
    )
    nothing = known_cross_entropy(logits, torch.full((3,), -1))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert logits.grad.abs().sum() == 0


def test_the_loss_is_the_sum_of_its_parts_and_two_lesions_are_many() -> None:
    logits = torch.zeros(2, 1, 2, 2)
    scores = {
        "number": torch.log(torch.tensor([[1.0, 3.0], [1.0, 3.0]])),
        "size": torch.zeros(2, 3),
    }
    output = Output(logits[:, 0].sigmoid(), logits, auxiliary=scores)
    mask = torch.ones(2, 2, 2)
    unknown = torch.full((2,), -1)
    attributes = torch.stack([unknown, unknown, torch.tensor([1, -1]), torch.tensor([2, 1])], dim=1)
    batch = Batch(torch.zeros(2, 3, 2, 2), mask, TEXT, torch.arange(2), attributes, torch.arange(2))
    total, parts = registry.objective("tganet", {})(output, batch, 1)
    assert float(parts["dice"]) == pytest.approx(1 - (2 * 4 + 1) / (4 + 8 + 1))
    assert float(parts["bce"]) == pytest.approx(math.log(2))
    assert float(parts["number"]) == pytest.approx(-math.log(0.75))
    assert float(parts["size"]) == pytest.approx(math.log(3))
    assert float(total) == pytest.approx(sum(float(part) for part in parts.values()))


def test_every_parameter_learns_from_the_loss() -> None:
    image, mask = torch.rand(3, 3, 64, 64), torch.zeros(3, 64, 64)
    mask[:, 8:24, 8:20] = 1
    model = make().train()
    batch = batch_of(image, mask, TEXT)
    total, _ = registry.objective("tganet", {})(model(image, TEXT), batch, 1)
    total.backward()
    silent = [n for n, p in model.named_parameters() if not p.grad.abs().max() > 0]
    assert not silent


@pytest.mark.parametrize("size", [32, 48, 96])
def test_one_slice_may_be_a_training_batch_at_any_multiple_of_16(size: int) -> None:
    output = make(size=size).train()(torch.rand(1, 3, size, size), TEXT)
    assert output.probability.shape == (1, size, size)
