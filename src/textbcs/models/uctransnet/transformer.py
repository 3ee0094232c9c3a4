"""UCTransNet's channel-wise cross fusion transformer (CCT).

The four encoder maps become tokens of one grid, image side / 16 tokens a side. Attention is between
channels, not places: a channel of one scale asks the channels of all four scales, which are the keys
and values. Every head works on all channels.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textbcs.models.common.linear import Linear

HEADS = 4
EXPANSION = 4  # of the feed-forward networks
DROPOUT = 0.1  # of embeddings and attention; the feed-forward networks have none
EPSILON = 1e-6
PATCH = 16  # side in pixels of a token in the image


class Embedding(nn.Module):
    """Patches of one scale as tokens, with learned positions that start at 0."""

    def __init__(self, channels: int, patch: int, tokens: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, channels, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, tokens, channels))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, tokens, channels)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        result: Tensor = self.dropout(tokens + self.position)
        return result


class Attention(nn.Module):
    """Multi-head attention between the channels of each scale and those of all scales.

    The scores of a head are normalised over its whole matrix (instance normalisation without
    weights) before the softmax; the heads' answers are averaged, not concatenated.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        every = sum(channels)
        self.query = nn.ModuleList(_heads(size) for size in channels)
        self.key = _heads(every)
        self.value = _heads(every)
        self.normalize = nn.InstanceNorm2d(HEADS)
        self.out = nn.ModuleList(Linear(size, size, bias=False) for size in channels)
        self.dropout = nn.Dropout(DROPOUT)
        self.scale = 1 / math.sqrt(every)

    def forward(self, scales: Sequence[Tensor], every: Tensor) -> list[Tensor]:
        """Per scale (B, tokens, C), and all (B, tokens, sum of C) -> per scale (B, tokens, C)."""
        key = _by_head(self.key, every)
        value = _by_head(self.value, every).transpose(2, 3)
        answers = []
        for heads, out, tokens in zip(self.query, self.out, scales, strict=True):
            query = _by_head(heads, tokens)
            scores = query.transpose(2, 3) @ key * self.scale  # (B, heads, C, sum of C)
            weights = self.dropout(self.normalize(scores).softmax(3))
            context = (weights @ value).mean(1).transpose(1, 2)
            answers.append(self.dropout(out(context)))
        return answers


class Layer(nn.Module):
    """Attention and one feed-forward network a scale, each on normalised tokens and added."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.norm_scales = _norms(channels)
        self.norm_every = nn.LayerNorm(sum(channels), eps=EPSILON)
        self.attention = Attention(channels)
        self.norm_forward = _norms(channels)
        self.forward_networks = nn.ModuleList(feed_forward(size) for size in channels)

    def forward(self, scales: Sequence[Tensor]) -> list[Tensor]:
        """Per scale (B, tokens, C) -> the same."""
        normalized = [norm(x) for norm, x in zip(self.norm_scales, scales, strict=True)]
        answers = self.attention(normalized, self.norm_every(torch.cat(list(scales), dim=2)))
        result = []
        parts = zip(self.norm_forward, self.forward_networks, scales, answers, strict=True)
        for norm, network, x, answer in parts:
            x = x + answer
            result.append(x + network(norm(x)))
        return result


class Reconstruction(nn.Module):
    """Tokens back to a map: repeat each over its patch, 1x1 convolution, batch norm, ReLU."""

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=patch)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, side**2, channels) -> (B, channels, side * patch, side * patch)."""
        side = math.isqrt(tokens.shape[1])
        grid = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
        result: Tensor = self.layers(self.upsample(grid))
        return result


class CrossFusion(nn.Module):
    """The whole transformer: the skips with what they learned from one another added.

    Args:
        channels: of the maps, from the finest (image side) to the coarsest (image side / 8).
        image_size: side of the image in pixels, a multiple of 16.
        layers: how many.
    """

    def __init__(self, channels: Sequence[int], image_size: int, layers: int) -> None:
        super().__init__()
        patches = [PATCH // 2**scale for scale in range(len(channels))]  # 16, 8, 4, 2
        tokens = (image_size // PATCH) ** 2
        self.embeddings = nn.ModuleList(
            Embedding(size, patch, tokens) for size, patch in zip(channels, patches, strict=True)
        )
        self.layers = nn.ModuleList(Layer(channels) for _ in range(layers))
        self.norms = _norms(channels)
        self.reconstructions = nn.ModuleList(
            Reconstruction(size, patch) for size, patch in zip(channels, patches, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Per scale (B, C, h, w) -> the same."""
        tokens = [embed(x) for embed, x in zip(self.embeddings, maps, strict=True)]
        for layer in self.layers:
            tokens = layer(tokens)
        parts = zip(self.reconstructions, self.norms, tokens, maps, strict=True)
        return [rebuild(norm(x)) + skip for rebuild, norm, x, skip in parts]


def feed_forward(channels: int) -> nn.Sequential:
    """Two linear layers around a GELU, four times as wide inside; starts as the official one."""
    first = Linear(channels, EXPANSION * channels)
    second = Linear(EXPANSION * channels, channels)
    for layer in (first, second):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.normal_(layer.bias, std=1e-6)
    return nn.Sequential(first, nn.GELU(), second)


def _by_head(heads: nn.Module, tokens: Tensor) -> Tensor:
    """(B, tokens, C) -> (B, heads, tokens, C), each head by its own layer."""
    return torch.stack([head(tokens) for head in heads.children()], dim=1)


def _heads(channels: int) -> nn.ModuleList:
    return nn.ModuleList(Linear(channels, channels, bias=False) for _ in range(HEADS))


def _norms(channels: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.LayerNorm(size, eps=EPSILON) for size in channels)
