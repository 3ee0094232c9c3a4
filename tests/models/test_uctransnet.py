"""UCTransNet against its published structure, and its attention against its formula."""

import math

import torch

from textbcs.models.common import registry
from textbcs.models.uctransnet.network import ChannelAttention
from textbcs.models.uctransnet.transformer import HEADS, Attention, CrossFusion, Embedding

SCALES = (64, 128, 256, 512)
EVERY = 960


def shapes_of_the_definition() -> list[tuple[int, ...]]:
    """Wang et al. 2022, 224 px: 14 x 14 tokens, 4 layers, 4 heads, feed-forward 4 times as wide."""
    shapes: list[tuple[int, ...]] = []
    convolutions = [(3, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    convolutions += [(256, 512), (512, 512), (512, 512), (512, 512)]
    for inputs, outputs in ((1024, 256), (512, 128), (256, 64), (128, 64)):
        convolutions += [(inputs, outputs), (outputs, outputs)]
        shapes += [(inputs // 2, inputs // 2), (inputs // 2,)] * 2  # CCA: skip and decoder
    for inputs, outputs in convolutions:
        shapes += [(outputs, inputs, 3, 3), (outputs,), (outputs,), (outputs,)]
    for size, patch in zip(SCALES, (16, 8, 4, 2), strict=True):
        shapes += [(size, size, patch, patch), (size,), (1, 196, size)]  # embedding
        shapes += [(size, size, 1, 1), (size,), (size,), (size,)]  # reconstruction
        shapes += [(size,), (size,)]  # last normalisation
    for _ in range(4):
        shapes += [(EVERY,), (EVERY,)] + [(EVERY, EVERY)] * 8  # keys and values of 4 heads
        for size in SCALES:
            shapes += [(size,)] * 4 + [(size, size)] * 5  # 2 norms, 4 queries, output
            shapes += [(4 * size, size), (4 * size,), (size, 4 * size), (size,)]
    shapes += [(1, 64, 1, 1), (1,)]
    return sorted(shapes)


def test_parameters_have_exactly_the_shapes_of_the_definition():
    config = {"model": "uctransnet", "width": 64, "layers": 4}
    with torch.device("meta"):
        model = registry.build(config, channels=3, image_size=224, text_dim=768)
    assert sorted(tuple(p.shape) for p in model.parameters()) == shapes_of_the_definition()
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == 66.431  # official code


def test_attention_is_between_channels():
    """One scale's answer, by the paper's formula, written out head by head."""
    torch.manual_seed(0)
    attention = Attention((3, 5)).eval()
    scales = [torch.randn(2, 4, 3), torch.randn(2, 4, 5)]
    every = torch.cat(scales, dim=2)
    answers = attention(scales, every)
    heads = []
    for h in range(HEADS):
        query = scales[1] @ attention.query[1][h].weight.T  # (2, tokens, 5)
        key = every @ attention.key[h].weight.T
        value = every @ attention.value[h].weight.T
        scores = torch.einsum("btc,btd->bcd", query, key) / math.sqrt(8)
        mean = scores.mean((1, 2), keepdim=True)
        variance = scores.var((1, 2), keepdim=True, unbiased=False)
        weights = ((scores - mean) / (variance + 1e-5).sqrt()).softmax(2)
        heads.append(torch.einsum("bcd,btd->btc", weights, value))
    expected = torch.stack(heads).mean(0) @ attention.out[1].weight.T
    torch.testing.assert_close(answers[1], expected)
    assert answers[0].shape == (2, 4, 3)


def test_every_scale_makes_the_same_grid_and_gets_its_map_back():
    torch.manual_seed(0)
    fusion = CrossFusion((4, 8, 16, 32), image_size=48, layers=1).eval()
    maps = [torch.rand(1, 4 * 2**s, 48 // 2**s, 48 // 2**s) for s in range(4)]
    tokens = [embed(x) for embed, x in zip(fusion.embeddings, maps, strict=True)]
    assert [tuple(t.shape) for t in tokens] == [(1, 9, 4), (1, 9, 8), (1, 9, 16), (1, 9, 32)]
    answers = fusion(maps)
    assert [x.shape for x in answers] == [x.shape for x in maps]
    # What is added to a map is the same all over a patch: of 16 px in the finest, 2 in the coarsest.
    for answer, before, patch in zip(answers, maps, (16, 8, 4, 2), strict=True):
        added = (answer - before).unfold(2, patch, patch).unfold(3, patch, patch)
        torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))
        assert added.std() > 0


def test_positions_start_at_zero_and_dropout_is_silent_in_evaluation():
    torch.manual_seed(0)
    embedding = Embedding(3, 2, 4)
    assert not embedding.position.any()
    x = torch.rand(1, 3, 4, 4)
    assert not torch.equal(embedding.train()(x), embedding(x))
    assert torch.equal(embedding.eval()(x), embedding(x))


def test_channel_attention_weighs_whole_channels_of_the_skip():
    torch.manual_seed(0)
    attention = ChannelAttention(3)
    below, skip = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4) + 0.1
    factor = attention(below, skip) / skip
    torch.testing.assert_close(factor, factor[..., :1, :1].expand_as(factor))
    assert bool(((factor > 0) & (factor < 1)).all())
    means = skip.mean((2, 3)), below.mean((2, 3))
    sums = attention.of_skip(means[0]) + attention.of_below(means[1])
    torch.testing.assert_close(factor[..., 0, 0], torch.sigmoid(sums / 2))
