"""SVLI against torch's own attention, its equations written out, and its geometry."""

import math

import pytest
import torch
from torch import nn

from textbcs.models.common.contract import TextBatch
from textbcs.models.textbcs.svli import (
    SVLI,
    Alignment,
    CrossAttention,
    sine_position,
    tokens_of,
    upsampled,
)


def test_attention_equals_torchs_multi_head_attention():
    torch.manual_seed(0)
    ours = CrossAttention(query_width=8, key_width=12, width=8, heads=4)
    torchs = nn.MultiheadAttention(8, 4, kdim=12, vdim=12, batch_first=True)
    with torch.no_grad():
        torchs.q_proj_weight.copy_(ours.query.weight)
        torchs.k_proj_weight.copy_(ours.key.weight)
        torchs.v_proj_weight.copy_(ours.value.weight)
        torchs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        torchs.out_proj.weight.copy_(ours.out.weight)
        torchs.out_proj.bias.copy_(ours.out.bias)
    query, key, value = torch.randn(2, 5, 8), torch.randn(2, 7, 12), torch.randn(2, 7, 12)
    mask = torch.rand(2, 7) < 0.6
    mask[:, 0] = True
    expected, _ = torchs(query, key, value, key_padding_mask=~mask)
    torch.testing.assert_close(ours(query, key, value, mask), expected)


def make(grids=(8, 4), sides=(8, 4), channels=(4, 8), position=True) -> SVLI:
    torch.manual_seed(1)
    return SVLI(
        channels=channels,
        sides=sides,
        grids=grids,
        text_dim=6,
        text_width=10,
        heads=2,
        shared=5,
        position=position,
    )


def text_batch(count: int = 2) -> TextBatch:
    mask = torch.tensor([[True, True, True, False]]).expand(count, -1)
    return TextBatch(torch.randn(count, 4, 6, generator=torch.Generator().manual_seed(2)), mask)


def test_full_grid_follows_equations_1_to_5_literally():
    svli, text = make(), text_batch()
    maps = [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)]
    change, aligned = svli.begin(text, align=True)
    found = [change(stage, x) for stage, x in enumerate(maps)]
    f_t = svli.text_in(text.tokens)
    for stage, x in enumerate(maps):
        vision, language = svli.vision[stage], svli.language[stage]
        position = svli.get_buffer(f"position_{stage}")
        f_v = x.flatten(2).transpose(1, 2)
        k = vision.norm_text(f_t)
        asked = vision.attention(vision.norm_vision(f_v) + position, k, k, text.mask) + f_v  # 2
        f_V = vision.forward_network(vision.norm_forward(asked)) + asked  # 3
        v = language.norm_vision(f_V)
        t = language.attention(language.norm_text(f_t), v + position, v, None) + f_t  # 4
        f_t = language.forward_network(language.norm_forward(t)) + t  # 5
        expected = f_V.transpose(1, 2).reshape(x.shape)
        torch.testing.assert_close(found[stage], expected, rtol=1e-5, atol=1e-5)
        cosine = svli.alignment[stage](f_V, f_t, text.mask)
        torch.testing.assert_close(aligned[stage], cosine)


def test_pooled_grid_gives_back_the_change_of_its_tokens():
    """Averaging the change over a token's pixels far from the border returns about that change."""
    svli, text = make(grids=(2, 2)), text_batch()
    x = torch.rand(2, 4, 8, 8)
    change, _ = svli.begin(text, align=False)
    difference = change(0, x) - x
    before = tokens_of(x, 4)
    f_t = svli.text_in(text.tokens)
    delta = svli.vision[0](before, svli.get_buffer("position_0"), f_t, text.mask) - before
    expected = upsampled(delta, 2, 8)
    torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-5)
    corner = expected[:, :, 0, 0]  # bilinear upsampling keeps the corners' values
    torch.testing.assert_close(corner, delta[:, 0])


def test_what_only_alignment_needs_is_skipped_without_it():
    svli, text = make(), text_batch()
    maps = [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)]
    answers = []
    for align in (True, False):
        change, aligned = svli.begin(text, align=align)
        answers.append([change(stage, x) for stage, x in enumerate(maps)])
        assert len(aligned) == (2 if align else 0)
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))


def test_padding_changes_nothing():
    svli, text = make(), text_batch()
    shorter = TextBatch(text.tokens[:, :3], text.mask[:, :3])
    x = torch.rand(2, 4, 8, 8)
    runs = []
    for batch in (text, shorter):
        change, aligned = svli.begin(batch, align=True)
        runs.append((change(0, x), aligned[0]))
    torch.testing.assert_close(runs[0][0], runs[1][0])
    torch.testing.assert_close(runs[0][1], runs[1][1])


def test_tokens_and_map_keep_their_places():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert tokens_of(x, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert torch.equal(upsampled(tokens_of(x, 1), 4, 4), x)


def test_similarity_is_cosine_over_temperature_and_temperature_stays_positive():
    torch.manual_seed(0)
    alignment = Alignment(4, 6, 5)
    vision, text = torch.randn(1, 4, 4), torch.randn(1, 3, 6)
    mask = torch.tensor([[True, False, True]])
    v = alignment.project_vision(vision[0, 2])
    t = alignment.project_text((text[0, 0] + text[0, 2]) / 2)
    cosine = float((v @ t / (v.norm() * t.norm())).detach())
    found = alignment(vision, text, mask).detach()
    assert found.shape == (1, 2, 2)
    assert float(found[0, 1, 0]) == pytest.approx(cosine / 0.07, rel=1e-5)
    with torch.no_grad():
        alignment.temperature.fill_(-3.0)
    assert float(alignment(vision, text, mask)[0, 1, 0].detach()) == pytest.approx(
        cosine / 0.01, rel=1e-5
    )


def test_position_tells_all_tokens_apart_and_left_from_right():
    table = sine_position(4, 16).reshape(4, 4, 16)
    assert len({tuple(v.tolist()) for v in table.flatten(0, 1)}) == 16
    assert float(table.abs().max()) <= 1
    assert torch.equal(table[0, :, :8], table[3, :, :8])  # the first half speaks of columns only
    cosine = table[0, :, 4]
    assert cosine.tolist() == pytest.approx([math.cos(math.pi * (c + 0.5) / 4) for c in range(4)])
