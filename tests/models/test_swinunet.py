"""Swin-UNet against its published definition, and its published weights against theirs."""

import pytest
import torch
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.models.common.contract import TextBatch
from textbcs.models.swinunet import block as parts
from textbcs.models.swinunet.network import Expand, Merge, SwinUNet
from textbcs.models.swinunet.weights import counterpart
from textbcs.pretraining.published import counterparts

SMALL = {
    "model": "swinunet",
    "width": 8,
    "depths": [2, 2, 2, 2],
    "heads": 2,
    "window": None,
    "stochastic_depth": 0.2,
}
TEXT = TextBatch(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))


def build(size: int = 64, channels: int = 3, **changes) -> SwinUNet:
    torch.manual_seed(0)
    return registry.build({**SMALL, **changes}, channels=channels, image_size=size, text_dim=1)


def shapes_of(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def shapes_of_the_definition() -> list[tuple[int, ...]]:
    """Swin-UNet tiny of the official configuration, 3 channels in and 2 classes out, at 224 px."""
    shapes: list[tuple[int, ...]] = [(96, 3, 4, 4), (96,), (96,), (96,)]
    for stage, heads in enumerate((3, 6, 12, 24)):
        c = 96 * 2**stage
        block = [(c,), (c,), (13 * 13, heads), (3 * c, c), (3 * c,), (c, c), (c,)]
        block += [(c,), (c,), (4 * c, c), (4 * c,), (c, 4 * c), (c,)]
        shapes += block * (4 if stage < 3 else 2)  # the coarsest stage has no mirror
        if stage < 3:
            shapes += [(4 * c,), (4 * c,), (2 * c, 4 * c)]  # patch merging
            shapes += [(4 * c, 2 * c), (c,), (c,)]  # patch expanding, from 2c to c
            shapes += [(c, 2 * c), (c,)]  # joins the encoder's tokens
    shapes += [(768,), (768,), (96,), (96,), (16 * 96, 96), (96,), (96,), (2, 96, 1, 1)]
    return sorted(shapes)


def test_parameters_have_exactly_the_shapes_of_the_definition():
    with torch.device("meta"):
        model = build(224, **SwinUNet.full_size)
    assert sorted(tuple(p.shape) for p in model.parameters()) == shapes_of_the_definition()
    assert sum(p.numel() for p in model.parameters()) == 27_168_228
    assert {m.window for m in model.modules() if isinstance(m, parts.Block)} == {7}


def test_stochastic_depth_rises_in_the_encoder_and_is_mirrored_in_the_decoder():
    model = build()
    down = [block.drop.rate for stage in model.down for block in stage]
    assert down == pytest.approx([0.2 * index / 7 for index in range(8)])
    assert [block.drop.rate for stage in model.up for block in stage] == down[:6]


def test_windows_are_square_pieces_and_come_back():
    x = torch.arange(2 * 6 * 6).reshape(2, 6, 6, 1).float()
    windows = parts.windows_of(x, 3)
    assert windows.shape == (8, 9, 1)
    assert torch.equal(windows[1].reshape(3, 3), x[0, 0:3, 3:6, 0])
    assert torch.equal(windows[6].reshape(3, 3), x[1, 3:6, 0:3, 0])
    assert torch.equal(parts.from_windows(windows, 3, 6), x)


def test_equal_offsets_and_no_others_share_a_bias():
    side = 3
    index = parts.relative_index(side).reshape(side * side, side * side)
    places = [(row, column) for row in range(side) for column in range(side)]
    row_of: dict[tuple[int, int], set[int]] = {}
    for i, (a, b) in enumerate(places):
        for j, (c, d) in enumerate(places):
            row_of.setdefault((a - c, b - d), set()).add(int(index[i, j]))
    assert len(row_of) == (2 * side - 1) ** 2
    assert sorted(value for values in row_of.values() for value in values) == list(range(25))
    # The published tables are ordered by the offset down, then the offset to the right.
    assert [row_of[key].pop() for key in sorted(row_of)] == list(range(25))


@pytest.mark.parametrize(("side", "window"), [(6, 3), (14, 7), (4, 2), (12, 6)])
def test_tokens_that_the_shift_brought_together_do_not_see_one_another(side, window):
    """Brute force: after the roll a token is (place + shift) mod side of the image."""
    shift = window // 2
    mask = parts.shift_mask(side, window, shift)
    place = (torch.arange(side) + shift) % side
    row, column = torch.meshgrid(place, place, indexing="ij")
    windows = parts.windows_of(torch.stack([row, column], dim=-1)[None].float(), window)
    apart = (windows[:, :, None] - windows[:, None]).abs().amax(-1) >= window
    assert torch.equal(mask[:, 0] < 0, apart)
    assert bool(apart.any())


def test_a_block_mixes_within_its_windows_only_and_a_shifted_one_across():
    torch.manual_seed(0)
    x = torch.randn(1, 6, 6, 8)
    changed = x.clone()
    changed[0, 0, 2] += 1
    for shifted, reach in ((False, (0, 3)), (True, (1, 4))):
        block = parts.Block(8, 6, 3, shifted, 2, 0.0).eval()
        moved = (block(x) - block(changed)).abs().amax(-1)[0] > 0
        assert moved.nonzero()[:, 1].min() == reach[0]
        assert moved.nonzero()[:, 1].max() == reach[1] - 1
    # Both axes are shifted: row 0 then lies alone with the wrapped rows, which are masked.
    assert moved.nonzero()[:, 0].max() == 0


def test_window_attention_is_torchs_attention_with_the_bias_as_mask():
    torch.manual_seed(0)
    attention = parts.WindowAttention(8, 2, 2)
    with torch.no_grad():
        attention.table.normal_()
    x = torch.randn(6, 4, 8)
    qkv = functional.linear(x, attention.qkv.weight, attention.qkv.bias)
    query, key, value = (part.reshape(6, 4, 2, 4).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    bias = attention.table[attention.relative].reshape(4, 4, 2).permute(2, 0, 1)
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    expected = attention.out(mixed.transpose(1, 2).reshape(6, 4, 8))
    torch.testing.assert_close(attention(x, None), expected, rtol=1e-5, atol=1e-6)


def test_merging_stacks_four_neighbours_column_by_column():
    torch.manual_seed(0)
    merge, x = Merge(4), torch.randn(2, 6, 6, 4)
    four = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
    expected = merge.reduce(merge.norm(torch.cat(four, dim=-1)))
    assert torch.equal(merge(x), expected)


def test_expanding_spreads_a_token_over_its_own_square():
    torch.manual_seed(0)
    expand, x = Expand(8, 4, 2), torch.randn(1, 3, 3, 8)
    y = expand(x)
    assert y.shape == (1, 6, 6, 4)
    pieces = expand.expand(x[0, 1, 2]).reshape(2, 2, 4)
    torch.testing.assert_close(y[0, 2:4, 4:6], expand.norm(pieces), rtol=1e-5, atol=1e-6)


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean():
    drop = parts.StochasticDepth(0.25).train()
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3)
    y = drop(x)
    assert torch.equal(y, y[:, :1, :1].expand_as(y))
    assert set(y[:, 0, 0].tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
    assert abs(float(y.mean()) - 1) < 4 * (0.25 / 0.75 / 4000) ** 0.5
    torch.manual_seed(0)
    assert torch.equal(drop(x), y)
    assert drop.eval()(x) is x


def test_an_image_of_48_is_padded_to_64_and_cropped():
    small, large = build(48).eval(), build(64).eval()
    image = torch.rand(2, 3, 48, 48)
    padded = functional.pad(image, (8, 8, 8, 8))
    expected = large(padded, TEXT).logits[..., 8:56, 8:56]
    assert torch.equal(small(image, TEXT).logits, expected)


@pytest.mark.parametrize(
    ("size", "window"), [(32, 2), (48, 2), (64, 2), (80, 3), (96, 3), (224, 7), (256, 8)]
)
def test_the_default_window_is_the_coarsest_grids_side(size, window):
    with torch.device("meta"):
        model = build(size)
    assert {m.window for m in model.modules() if isinstance(m, parts.Block)} == {window}


def test_a_given_window_may_exceed_a_coarse_grid():
    model = build(96, window=6)
    windows = [stage[1].window for stage in model.down]
    assert windows == [6, 6, 6, 3]
    assert [stage[1].shift for stage in model.down] == [3, 3, 0, 0]


def test_one_channel_is_read_as_three_equal_ones():
    image = torch.rand(2, 1, 64, 64)
    one, three = build(channels=1).eval(), build(channels=3).eval()
    assert torch.equal(
        one(image, TEXT).logits, three(image.expand(-1, 3, -1, -1).contiguous(), TEXT).logits
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "heads = 3"),
        ({"depths": [2, 2, 2]}, "depths"),
        ({"window": 3}, "windows of 3"),
        ({"window": 1}, "windows of 1"),
    ],
)
def test_values_that_do_not_fit_are_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        build(64, **changes)


def published(width: int, window: int, heads: int, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Tensors with the names and the layout of swin_tiny_patch4_window7_224.pth, of any width."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (width, 3, 4, 4),
        "patch_embed.proj.bias": (width,),
        "patch_embed.norm.weight": (width,),
        "patch_embed.norm.bias": (width,),
        "norm.weight": (8 * width,),
        "norm.bias": (8 * width,),
        "head.weight": (5, 8 * width),
        "head.bias": (5,),
    }
    for stage, depth in enumerate((2, 2, 6, 2)):
        c, h = width * 2**stage, heads * 2**stage
        for index in range(depth):
            root = f"layers.{stage}.blocks.{index}."
            shapes[root + "attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, h)
            shapes |= {root + "attn.qkv.weight": (3 * c, c), root + "attn.qkv.bias": (3 * c,)}
            shapes |= {root + "attn.proj.weight": (c, c), root + "attn.proj.bias": (c,)}
            shapes |= {root + "mlp.fc1.weight": (4 * c, c), root + "mlp.fc1.bias": (4 * c,)}
            shapes |= {root + "mlp.fc2.weight": (c, 4 * c), root + "mlp.fc2.bias": (c,)}
            for norm in ("norm1", "norm2"):
                shapes |= {f"{root}{norm}.weight": (c,), f"{root}{norm}.bias": (c,)}
        if stage < 3:
            root = f"layers.{stage}.downsample."
            shapes |= {root + "norm.weight": (4 * c,), root + "norm.bias": (4 * c,)}
            shapes[root + "reduction.weight"] = (2 * c, 4 * c)
    torch.manual_seed(5)
    return {name: torch.randn(shape, device=device) for name, shape in shapes.items()}


def test_published_weights_fill_encoder_and_decoder_at_full_size():
    with torch.device("meta"):
        model = build(224, **SwinUNet.full_size)
    found = counterparts(counterpart, published(96, 7, 3, device="meta"), shapes_of(model))
    fresh = ("expand.", "join.", "up_norm.", "last_expand.", "head.")
    assert set(found) == {key for key in shapes_of(model) if not key.startswith(fresh)}
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        key: shape for key, shape in shapes_of(model).items() if key in found
    }


def test_the_decoder_starts_from_the_encoders_blocks_at_its_grid():
    model, weights = build(64), published(8, 2, 2)
    found = counterparts(counterpart, weights, shapes_of(model))
    for part in ("down", "up"):
        assert (
            found[f"{part}.1.0.attention.qkv.weight"]
            is weights["layers.1.blocks.0.attn.qkv.weight"]
        )
        assert found[f"{part}.2.1.mlp_out.bias"] is weights["layers.2.blocks.1.mlp.fc2.bias"]
    assert found["merge.2.reduce.weight"] is weights["layers.2.downsample.reduction.weight"]
    assert found["down.0.1.mlp_norm.bias"] is weights["layers.0.blocks.1.norm2.bias"]


def test_bias_tables_of_another_window_are_left_out_and_nothing_else():
    model = build(64)
    same = counterparts(counterpart, published(8, 2, 2), shapes_of(model))
    other = counterparts(counterpart, published(8, 7, 2), shapes_of(model))
    missing = set(same) - set(other)
    assert {name.rsplit(".", 1)[1] for name in missing} == {"table"}
    assert len(missing) == 14
