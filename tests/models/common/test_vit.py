"""Transformer blocks against torch's own, and the progressive head."""

import pytest
import torch
from torch import nn

from textbcs.base.io import InputError
from textbcs.models.common import vit


def test_attention_is_torchs():
    torch.manual_seed(1)
    ours, theirs = vit.Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight,
            "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    x = torch.randn(2, 5, 12)
    expected, weights = theirs(x, x, x)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours.class_weights(x), weights[:, 0, 1:])


def test_block_is_torchs_pre_norm_layer():
    torch.manual_seed(1)
    ours = vit.Block(12, 3, nn.GELU(), 1e-6)
    theirs = nn.TransformerEncoderLayer(
        12, 3, 48, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
    )
    shapes = sorted(tuple(p.shape) for p in ours.parameters())
    assert shapes == sorted(tuple(p.shape) for p in theirs.parameters())
    own = dict(ours.named_parameters())
    names = {
        "self_attn.in_proj_weight": "attention.qkv.weight",
        "self_attn.in_proj_bias": "attention.qkv.bias",
        "self_attn.out_proj.weight": "attention.out.weight",
        "self_attn.out_proj.bias": "attention.out.bias",
        "linear1.weight": "perceptron.0.weight",
        "linear1.bias": "perceptron.0.bias",
        "linear2.weight": "perceptron.2.weight",
        "linear2.bias": "perceptron.2.bias",
        "norm1.weight": "norm1.weight",
        "norm1.bias": "norm1.bias",
        "norm2.weight": "norm2.weight",
        "norm2.bias": "norm2.bias",
    }
    theirs.load_state_dict({theirs_name: own[name] for theirs_name, name in names.items()})
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("patch", [4, 8, 16])
def test_progressive_head_returns_to_the_images_sides(patch):
    head = vit.Progressive(6, (8, 4, 4, 2), patch)
    assert head(torch.rand(1, 6, 3, 3)).shape == (1, 1, 3 * patch, 3 * patch)


def test_token_map_puts_row_after_row():
    tokens = torch.arange(4.0)[None, :, None]
    assert vit.token_map(tokens).tolist() == [[[[0.0, 1.0], [2.0, 3.0]]]]


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="head_width = 12"):
        vit.heads_of(25, 12)
    with pytest.raises(InputError, match="patch = 16"):
        vit.grid_of(40, 16)
    with pytest.raises(InputError, match="patch = 3"):
        vit.grid_of(48, 3)
    assert (vit.heads_of(768, 64), vit.heads_of(16, 32), vit.grid_of(224, 16)) == (12, 1, 14)
