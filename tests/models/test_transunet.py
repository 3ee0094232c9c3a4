"""TransUNet against its published definition, and its published weights against the file's own layout."""

import pytest
import torch
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.models.common.contract import TextBatch
from textbcs.models.transunet.network import TransUNet
from textbcs.models.transunet.resnet import ResNetV2, StandardisedConvolution
from textbcs.models.transunet.vit import Attention
from textbcs.models.transunet.weights import counterpart
from textbcs.pretraining.published import counterparts

SMALL = {
    "model": "transunet",
    "width": 8,
    "units": [1, 2, 1],
    "layers": 2,
    "heads": 4,
    "dropout": 0.1,
}
UNITS = (3, 4, 9)
TEXT = TextBatch(torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool))


def build(size: int = 64, channels: int = 3, **changes) -> TransUNet:
    torch.manual_seed(0)
    return registry.build({**SMALL, **changes}, channels=channels, image_size=size, text_dim=1)


def shapes_of_the_definition() -> list[tuple[int, ...]]:
    """R50-ViT-B/16 of the official configuration, 3 channels in and 2 classes out, at 224 px."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    inputs = 64
    for stage, units in enumerate(UNITS):
        middle = 64 * 2**stage
        for unit in range(units):
            shapes += [(middle, inputs, 1, 1), (middle, middle, 3, 3), (4 * middle, middle, 1, 1)]
            shapes += 4 * [(middle,)] + 2 * [(4 * middle,)]
            if unit == 0:
                shapes += [(4 * middle, inputs, 1, 1), (4 * middle,), (4 * middle,)]
            inputs = 4 * middle
    shapes += [(768, 1024, 1, 1), (768,), (1, 196, 768)]
    for _ in range(12):
        shapes += 4 * [(768, 768), (768,)] + 4 * [(768,)]
        shapes += [(3072, 768), (3072,), (768, 3072), (768,)]
    shapes += 2 * [(768,)]
    pairs = [(768, 512), (512 + 512, 256), (256, 256), (256 + 256, 128), (128, 128)]
    pairs += [(128 + 64, 64), (64, 64), (64, 16), (16, 16)]
    for below, above in pairs:
        shapes += [(above, below, 3, 3), (above,), (above,)]
    return sorted([*shapes, (2, 16, 3, 3), (2,)])


def test_parameters_have_exactly_the_shapes_of_the_definition():
    with torch.device("meta"):
        model = build(224, **TransUNet.full_size)
    assert sorted(tuple(p.shape) for p in model.parameters()) == shapes_of_the_definition()
    assert sum(p.numel() for p in model.parameters()) == 105_276_066
    norms = [m for m in model.resnet.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert [n.num_groups == 32 or n.num_groups == n.num_channels for n in norms] == [True] * 52
    assert model.head(torch.empty(1, 16, 8, 8, device="meta")).shape == (1, 2, 8, 8)


def test_standardised_weights_ignore_scale_and_shift_and_normalise():
    torch.manual_seed(0)
    layer = StandardisedConvolution(4, 6, 3)
    x = torch.randn(2, 4, 8, 8)
    flat = layer.weight.detach().double().flatten(1)
    expected = (flat - flat.mean(1, keepdim=True)) / flat.std(1, correction=0, keepdim=True)
    answer = functional.conv2d(x.double(), expected.reshape(6, 4, 3, 3), padding=1).float()
    # The variance has 1e-5 added to it, against about 1/108 here.
    torch.testing.assert_close(layer(x), answer, rtol=2e-3, atol=2e-3)
    before = layer(x)
    with torch.no_grad():
        layer.weight.mul_(50).add_(3)
    torch.testing.assert_close(layer(x), before, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("size", [48, 64, 96])
def test_the_encoders_maps_and_the_row_that_the_pooling_loses(size):
    """Pooling without padding gives one row less than a quarter; the decoder sees zeros in its place."""
    torch.manual_seed(0)
    coarse, skips = ResNetV2(3, 8, (1, 1, 1))(torch.rand(1, 3, size, size))
    assert coarse.shape == (1, 128, size // 16, size // 16)
    sides = [(map_.shape[1], map_.shape[2]) for map_ in skips]
    assert sides == [(8, size // 2), (32, size // 4), (64, size // 8)]
    quarter = skips[1].abs().sum((0, 1))
    assert bool((quarter[:-1, :-1] > 0).all())
    assert not quarter[-1].any()
    assert not quarter[:, -1].any()
    assert bool((skips[2].abs().sum((0, 1)) > 0).all())


def test_attention_is_torchs_multihead_attention():
    torch.manual_seed(0)
    own, theirs = Attention(24, 4), torch.nn.MultiheadAttention(24, 4, batch_first=True)
    with torch.no_grad():
        layers = (own.query, own.key, own.value)
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        theirs.out_proj.load_state_dict(own.out.state_dict())
    x = torch.randn(3, 7, 24)
    torch.testing.assert_close(own(x), theirs(x, x, x)[0], rtol=1e-5, atol=1e-6)


def test_dropout_is_drawn_from_the_global_generator_and_only_while_training():
    model, image = build(), torch.rand(2, 3, 64, 64)

    def answer(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return model(image, TEXT).logits

    model.train()
    assert torch.equal(answer(1), answer(1))
    assert not torch.equal(answer(1), answer(2))
    model.eval()
    assert torch.equal(answer(1), answer(2))


def test_one_channel_is_read_as_three_equal_ones():
    image = torch.rand(2, 1, 64, 64)
    one, three = build(channels=1).eval(), build(channels=3).eval()
    assert torch.equal(
        one(image, TEXT).logits, three(image.expand(-1, 3, -1, -1).contiguous(), TEXT).logits
    )


def test_the_probability_is_the_softmax_of_the_second_class():
    output = build().eval()(torch.rand(2, 3, 64, 64), TEXT)
    margin = output.logits[:, 1] - output.logits[:, 0]
    torch.testing.assert_close(output.probability, margin.sigmoid(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 6}, "width = 6"),
        ({"heads": 5}, "heads = 5"),
        ({"units": [3, 4]}, "units"),
        ({"units": [3, 0, 1]}, "units"),
    ],
)
def test_values_that_do_not_fit_are_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)


def published(width: int, grid: int, units=(1, 2, 1), layers=2, heads=4, device="cpu") -> dict:
    """Tensors with the names and the layout of R50+ViT-B_16.npz, of any width."""
    token = 12 * width
    shapes: dict[str, tuple[int, ...]] = {
        "cls": (1, 1, token),
        "head/kernel": (token, 5),
        "conv_root/kernel": (7, 7, 3, width),
        "embedding/kernel": (1, 1, 16 * width, token),
        "embedding/bias": (token,),
        "Transformer/posembed_input/pos_embedding": (1, 1 + grid**2, token),
        "Transformer/encoder_norm/scale": (token,),
        "Transformer/encoder_norm/bias": (token,),
    }
    norms = {"gn_root": width}
    inputs = width
    for stage, count in enumerate(units):
        middle = width * 2**stage
        for unit in range(count):
            root = f"block{stage + 1}/unit{unit + 1}"
            shapes[f"{root}/conv1/kernel"] = (1, 1, inputs, middle)
            shapes[f"{root}/conv2/kernel"] = (3, 3, middle, middle)
            shapes[f"{root}/conv3/kernel"] = (1, 1, middle, 4 * middle)
            norms |= {f"{root}/gn1": middle, f"{root}/gn2": middle, f"{root}/gn3": 4 * middle}
            if unit == 0:
                shapes[f"{root}/conv_proj/kernel"] = (1, 1, inputs, 4 * middle)
                norms[f"{root}/gn_proj"] = 4 * middle
            inputs = 4 * middle
    for name, channels in norms.items():
        shapes |= {f"{name}/scale": (1, 1, 1, channels), f"{name}/bias": (1, 1, 1, channels)}
    for layer in range(layers):
        root = f"Transformer/encoderblock_{layer}"
        attention = f"{root}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            shapes[f"{attention}/{name}/kernel"] = (token, heads, token // heads)
            shapes[f"{attention}/{name}/bias"] = (heads, token // heads)
        shapes[f"{attention}/out/kernel"] = (heads, token // heads, token)
        shapes[f"{attention}/out/bias"] = (token,)
        for name in ("LayerNorm_0", "LayerNorm_2"):
            shapes |= {f"{root}/{name}/scale": (token,), f"{root}/{name}/bias": (token,)}
        shapes[f"{root}/MlpBlock_3/Dense_0/kernel"] = (token, 4 * token)
        shapes[f"{root}/MlpBlock_3/Dense_0/bias"] = (4 * token,)
        shapes[f"{root}/MlpBlock_3/Dense_1/kernel"] = (4 * token, token)
        shapes[f"{root}/MlpBlock_3/Dense_1/bias"] = (token,)
    torch.manual_seed(5)
    return {name: torch.randn(shape, device=device) for name, shape in shapes.items()}


def shapes_of(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def test_published_weights_fill_the_whole_encoder_at_full_size():
    with torch.device("meta"):
        model = build(224, **TransUNet.full_size)
    weights = published(64, 14, UNITS, 12, 12, device="meta")
    found = counterparts(counterpart, weights, shapes_of(model))
    decoder = ("widen.", "up.", "head.")
    assert set(found) == {key for key in shapes_of(model) if not key.startswith(decoder)}
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        key: shape for key, shape in shapes_of(model).items() if key in found
    }


def test_published_weights_compute_what_their_layout_says():
    """Each kind of layer, computed from the file's tensors by einsum."""
    model, weights = build(), published(8, 4)
    model.load_state_dict(counterparts(counterpart, weights, shapes_of(model)), strict=False)
    x = torch.randn(2, 5, 96)
    root = "Transformer/encoderblock_1/"
    attention = root + "MultiHeadDotProductAttention_1/"
    block = model.encoder.blocks[1]
    query = torch.einsum("bnd,dhk->bnhk", x, weights[attention + "query/kernel"])
    query = (query + weights[attention + "query/bias"]).flatten(2)
    torch.testing.assert_close(block.attention.query(x), query, rtol=1e-4, atol=1e-4)
    heads = x.reshape(2, 5, 4, 24)
    out = torch.einsum("bnhk,hkd->bnd", heads, weights[attention + "out/kernel"])
    out = out + weights[attention + "out/bias"]
    torch.testing.assert_close(block.attention.out(x), out, rtol=1e-4, atol=1e-4)
    hidden = (
        x @ weights[root + "MlpBlock_3/Dense_0/kernel"] + weights[root + "MlpBlock_3/Dense_0/bias"]
    )
    torch.testing.assert_close(block.mlp_in(x), hidden, rtol=1e-4, atol=1e-4)
    assert torch.equal(block.mlp_norm.weight, weights[root + "LayerNorm_2/scale"])
    kernel = weights["block2/unit2/conv2/kernel"]
    assert torch.equal(model.resnet.stages[1][1].conv2.weight[3, 7], kernel[:, :, 7, 3])
    assert torch.equal(
        model.resnet.stages[2][0].projection_norm.bias,
        weights["block3/unit1/gn_proj/bias"].flatten(),
    )


def test_positions_of_another_grid_are_interpolated_without_the_class_token():
    """A plane stays a plane, and the corners stay in place."""
    model = build(96)
    weights = published(8, 4)
    row, column = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    plane = (2 * row - 3 * column + 1).reshape(1, 16, 1).expand(-1, -1, 96)
    weights["Transformer/posembed_input/pos_embedding"] = torch.cat(
        [torch.full((1, 1, 96), 1e3), plane], dim=1
    )
    found = counterparts(counterpart, weights, shapes_of(model))["position"]
    row, column = torch.meshgrid(torch.linspace(0, 3, 6), torch.linspace(0, 3, 6), indexing="ij")
    expected = (2 * row - 3 * column + 1).reshape(1, 36, 1).expand(-1, -1, 96)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_head_reads_as_many_channels_in_a_narrow_network_as_in_the_published_one():
    with torch.device("meta"):
        full = build(width=64)
    assert build(width=8).head.weight.shape == full.head.weight.shape == (2, 16, 3, 3)
