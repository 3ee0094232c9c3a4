"""LViT: its published size, where text enters, and its parts written out."""

import math
from collections import Counter

import pytest
import torch
from test_contract import batch_of
from torch import nn

from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.models.common.contract import TextBatch
from textbcs.models.lvit.network import Attention, PixelAttention, first_tokens

SMALL = {"model": "lvit", "width": 8, "heads": 2, "tokens": 4}
FULL = {"model": "lvit", "width": 64, "heads": 8, "tokens": 10}


def make(seed: int = 0, size: int = 32, **changes):
    torch.manual_seed(seed)
    return registry.build({**SMALL, **changes}, channels=3, image_size=size, text_dim=6)


def prompts(count: int, tokens: int = 6, real: int = 5) -> TextBatch:
    values = torch.randn(count, tokens, 6, generator=torch.Generator().manual_seed(3))
    mask = (torch.arange(tokens) < real).expand(count, -1)
    return TextBatch(values, mask)


def full() -> nn.Module:
    with torch.device("meta"):
        return registry.build(FULL, channels=3, image_size=224, text_dim=768)


def test_full_width_has_the_parameters_that_the_official_forward_uses() -> None:
    """29,908,033 of the official module's 39,933,345 get a gradient from its own forward."""
    assert sum(p.numel() for p in full().parameters()) == 29_908_033


def test_shapes_of_the_official_parts() -> None:
    shapes = Counter(tuple(p.shape) for p in full().parameters())
    assert shapes[(196, 10, 3)] == 1  # prompt tokens to patches
    assert shapes[(1, 196, 64)] == 1  # positions, learned on the way down only
    assert shapes[(64, 64, 16, 16)] == shapes[(512, 512, 2, 2)] == 1  # patches 16 and 2 px wide
    assert [shapes[(w, 2 * w, 3)] for w in (64, 128, 256)] == [3, 3, 3]  # text, narrow, widen
    assert shapes[(1536, 512)] == 2  # one block down, one up
    assert shapes[(6, 3)] == 4  # a PLAM a decoder step, and no other


def test_full_size_runs_on_shapes_alone() -> None:
    text = TextBatch(
        torch.empty(1, 16, 768, device="meta"), torch.ones(1, 16, dtype=torch.bool, device="meta")
    )
    output = full()(torch.empty(1, 3, 224, 224, device="meta"), text)
    assert output.logits.shape == (1, 1, 224, 224)


def test_the_first_real_tokens_count_and_padding_is_zero() -> None:
    tokens = torch.arange(1.0, 6.0)[None, :, None].repeat(2, 1, 1)
    mask = torch.tensor([[True, True, False, False, False], [False, True, True, True, True]])
    text = TextBatch(tokens, mask)
    assert first_tokens(text, 3)[..., 0].tolist() == [[1, 2, 0], [2, 3, 4]]
    assert first_tokens(text, 7)[..., 0].tolist() == [[1, 2, 0, 0, 0, 0, 0], [2, 3, 4, 5, 0, 0, 0]]


def test_neither_padding_nor_tokens_beyond_the_limit_change_the_mask() -> None:
    image, text = torch.rand(2, 3, 32, 32), prompts(2, tokens=8, real=7)
    model = make().eval()
    answer = model(image, text).probability
    changed = text.tokens.clone()
    changed[:, 5:] = 9.0  # the limit is 4, and the words begin behind [CLS]
    assert torch.equal(answer, model(image, TextBatch(changed, text.mask)).probability)
    changed[:, 4] = 9.0
    assert not torch.equal(answer, model(image, TextBatch(changed, text.mask)).probability)
    short = prompts(2, real=4)
    longer = TextBatch(short.tokens.clone(), short.mask)
    longer.tokens[:, 4:] = 7.0
    assert torch.equal(model(image, short).probability, model(image, longer).probability)


def test_the_tokens_around_the_words_are_not_read() -> None:
    """As bert_embedding does: [CLS] and [SEP] of "[CLS] a b c [SEP]" are no words."""
    image, text = torch.rand(2, 3, 32, 32), prompts(2, real=5)
    model = make().eval()
    answer = model(image, text).probability
    for place, read in ((0, False), (1, True), (3, True), (4, False)):
        changed = text.tokens.clone()
        changed[:, place] = 9.0
        found = model(image, TextBatch(changed, text.mask)).probability
        assert torch.equal(answer, found) != read, place


def test_attention_equals_torchs_multi_head_attention() -> None:
    torch.manual_seed(0)
    ours, torchs = Attention(8, 4), nn.MultiheadAttention(8, 4, batch_first=True)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(ours.qkv.weight)
        torchs.in_proj_bias.copy_(ours.qkv.bias)
        torchs.out_proj.weight.copy_(ours.out.weight)
        torchs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(x), torchs(x, x, x)[0])


def test_pixel_attention_by_hand() -> None:
    """One pixel of two channels, with weights that can be followed on paper."""
    plam = PixelAttention(2)
    with torch.no_grad():
        plam.mean.weight.copy_(torch.eye(2)[:, :, None, None])
        plam.largest.weight.copy_(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])[:, :, None, None])
        first, last = plam.weigh[0], plam.weigh[2]
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0] = torch.tensor([1.0, 10.0, 100.0])
        last.weight.zero_()
        last.weight[0, 0] = 2.0
        last.bias.fill_(0.5)
    x = torch.tensor([3.0, 5.0])[None, :, None, None]
    mean, largest = 4.0, 5.0  # of (3, 5), and of (5, relu(-3))
    weight = 2 * (mean + 10 * largest + 100 * (mean + largest)) + 0.5
    assert plam(x).flatten().tolist() == pytest.approx([3 * weight, 5 * weight])


def test_dropout_works_in_training_only() -> None:
    image, text = torch.rand(2, 3, 32, 32), prompts(2)
    model = make().train()
    assert not torch.equal(model(image, text).logits, model(image, text).logits)
    model.eval()
    assert torch.equal(model(image, text).logits, model(image, text).logits)


def test_every_parameter_learns_from_the_loss() -> None:
    image, text = torch.rand(3, 3, 64, 64), prompts(3)
    mask = torch.zeros(3, 64, 64)
    mask[:, 8:24, 8:20] = 1
    model = make(size=64).train()
    total, parts = registry.objective("lvit", {})(
        model(image, text), batch_of(image, mask, text), 1
    )
    half = (parts["dice"] + parts["bce"]) / 2
    assert float(total.detach()) == pytest.approx(float(half.detach()))
    total.backward()
    silent = [
        name
        for name, value in model.named_parameters()
        if not name.endswith("bias") and not value.grad.abs().max() > 0
    ]
    assert not silent


def test_text_is_spread_over_as_many_patches_as_the_image_has() -> None:
    for size in (32, 64, 96):
        model = make(size=size)
        found = model.text(prompts(2))
        assert found.shape == (2, (size // 16) ** 2, 8)
        assert math.isqrt(found.shape[1]) == size // 16


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(InputError, match="heads = 3: does not divide width = 8"):
        make(heads=3)
