"""TGANet: text-guided attention whose text the network predicts itself.

Paper: Tomar et al., "TGANet: Text-guided attention for improved polyp segmentation", MICCAI 2022
(arXiv 2205.04280). Official code: github.com/nikhilroxtomar/TGANet (a3a5782, model.py, train.py),
written anew from its description. 19.837 M parameters at width 64, 3 channels in, 1 sigmoid class
out; the multiset of shapes is that of the official module.

A ResNet-50 without its last stage gives four maps. From the deepest, two small heads predict
whether there is one lesion or many, and its size; the five words' vectors, weighted by the
predicted probabilities, become one feature vector. Each map passes dilated convolutions; three
decoder steps join them, and after each a label attention weighs the channels by the words and by
the attentions before. The steps' maps are aggregated into the mask. At inference nothing but the
image is read.

Deviations:

- The words' vectors. The official code takes them from BPEmb (English, 300 dimensions), which is no
  package's file. Here they are five fixed orthogonal vectors of the same shape: the first basis
  functions of the cosine transform, of unit mean square. Which word is near to which is thereby
  lost; that they differ, and that the network learns what to do with each, is not.
- Number and size are learned with one softmax; the official code applies a second one inside its
  cross-entropy.
- The labels are the prompt's words: size by the thresholds of the project's prompts. In the official
  code the size of the last bounding box counts.
- The ResNet starts from random weights, not from ImageNet's, as every network here without `weights`.
- Channel attention narrows to an eighth of full width, and never to fewer than 8 channels: a narrow
  network's would otherwise consist of one or two rectified channels, which die.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.linear import Linear
from textbcs.models.common.resnet import BLOCKS, ResNet

WORDS = ("one", "multiple", "small", "medium", "large")
NUMBERS = 2  # the first words are numbers, the others sizes
VECTOR = 300  # BPEmb's dimensions
ONE_OR_MANY, SIZES = "number", "size"  # keys of `Output.auxiliary`
DILATIONS = (6, 12, 18)


def word_vectors() -> Tensor:
    """Fixed stand-ins for the five words' embeddings: (5, 300), orthogonal, of unit mean square."""
    place = (torch.arange(VECTOR, dtype=torch.float64) + 0.5) * (math.pi / VECTOR)
    rate = torch.arange(1, len(WORDS) + 1, dtype=torch.float64)
    return (math.sqrt(2) * torch.cos(rate[:, None] * place)).float()


def convolution(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution that keeps the sides, without bias, and batch normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
    )


def activated(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """`convolution` and ReLU."""
    return convolution(inputs, outputs, kernel, dilation).append(nn.ReLU(inplace=True))


def enlarged(x: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling that keeps the corners, as in the official code."""
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


class ChannelAttention(nn.Module):
    """Weighs the channels by their mean and their largest value."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(8, channels // 16)
        self.narrow = nn.Conv2d(channels, narrow, 1, bias=False)
        self.widen = nn.Conv2d(narrow, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same."""
        mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        weight = sum(self.widen(functional.relu(self.narrow(facts))) for facts in (mean, largest))
        return x * torch.sigmoid(weight)


class SpatialAttention(nn.Module):
    """Weighs the pixels by the mean and the largest of their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        facts = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.convolution(facts))


class DilatedConvolutions(nn.Module):
    """A map seen at four reaches, joined, around a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.reaches = nn.ModuleList(
            [activated(inputs, outputs, 1).append(ChannelAttention(outputs))]
            + [
                activated(inputs, outputs, 3, dilation).append(ChannelAttention(outputs))
                for dilation in DILATIONS
            ]
        )
        self.join = convolution(4 * outputs, outputs)
        self.shortcut = convolution(inputs, outputs, 1)
        self.attention = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        joined = self.join(torch.cat([reach(x) for reach in self.reaches], dim=1))
        result: Tensor = self.attention(functional.relu(joined + self.shortcut(x)))
        return result


class DecoderStep(nn.Module):
    """Upsample by 2, join the encoder's map, three convolutions with dense shortcuts, attentions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.join = activated(2 * width, width, 1)
        self.refine = nn.ModuleList(convolution(width, width, kernel) for kernel in (3, 3, 1))
        self.channels = ChannelAttention(width)
        self.pixels = SpatialAttention()

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, width, h, w) and (B, width, 2h, 2w) -> (B, width, 2h, 2w)."""
        x = self.join(torch.cat([enlarged(below, 2), skip], dim=1))
        result: Tensor = self.pixels(self.channels(_densely(self.refine, x)))
        return result


class LabelAttention(nn.Module):
    """Weighs a map's channels by what the words, and the steps before, say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
        )

    def forward(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, H, W) and (B, width) -> the weighed map and the weights before the sigmoid."""
        weight = self.layers(label[:, :, None, None])
        return x * torch.sigmoid(weight), weight[:, :, 0, 0]


class AttributeHead(nn.Module):
    """Class scores from a map's mean."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Linear(inputs, inputs // 8, bias=False),
            nn.ReLU(),
            Linear(inputs // 8, classes, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, classes)."""
        scores: Tensor = self.layers(x.mean((2, 3)))
        return scores


class WordFusion(nn.Module):
    """The words' vectors, each weighted by its predicted probability, as one feature vector."""

    vectors: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", word_vectors(), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv2d(len(WORDS) * VECTOR, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(),
        )

    def forward(self, number: Tensor, size: Tensor) -> Tensor:
        """Scores (B, 2) and (B, 3) -> (B, width)."""
        probability = torch.cat([number.softmax(1), size.softmax(1)], dim=1)
        said = (probability[:, :, None] * self.vectors).flatten(1)
        fused: Tensor = self.layers(said[:, :, None, None])
        return fused.flatten(1)


class Aggregation(nn.Module):
    """The maps of the three decoder steps at the sides of the last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(activated(width, width, 1) for _ in range(3))
        self.join = activated(3 * width, width, 1)
        self.refine = nn.ModuleList(convolution(width, width) for _ in range(2))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Three maps (B, width, ...), each with twice the sides of the one before -> the last's shape."""
        same = (enlarged(maps[0], 4), enlarged(maps[1], 2), maps[2])
        x = torch.cat([layer(x) for layer, x in zip(self.each, same, strict=True)], dim=1)
        return _densely(self.refine, self.join(x))


class TGANet(Segmenter):
    """Image in, mask and the two predicted attributes out.

    `Output.auxiliary` holds the scores `number` (B, 2: one, many) and `size` (B, 3).

    Args:
        config: `width` (64 in the original) and `blocks`, bottlenecks of the ResNet's three stages
            ([3, 4, 6]).
        channels: of the image.
        image_size: side of the image in pixels, a multiple of 16.
        text_dim: not used.
    """

    full_size: ClassVar[Mapping[str, Any]] = {"width": 64, "blocks": list(BLOCKS[:3])}
    reads = "image (predicts attributes)"

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        w = 2 * int(config["width"])
        self.encoder = ResNet(channels, int(config["width"]), config["blocks"])
        inputs = self.encoder.map_channels
        self.number = AttributeHead(inputs[-1], NUMBERS)
        self.size = AttributeHead(inputs[-1], len(WORDS) - NUMBERS)
        self.words = WordFusion(w)
        self.skips = nn.ModuleList(DilatedConvolutions(c, w) for c in inputs)
        self.steps = nn.ModuleList(DecoderStep(w) for _ in range(3))
        self.labels = nn.ModuleList(LabelAttention(w) for _ in range(3))
        self.aggregation = Aggregation(w)
        self.head = nn.Conv2d(w, 1, 1)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class, the text is not read."""
        maps = self.encoder(image)
        number, size = self.number(maps[-1]), self.size(maps[-1])
        label = self.words(number, size)
        *skips, x = (skip(x) for skip, x in zip(self.skips, maps, strict=True))
        decoded: list[Tensor] = []
        for step, attention, skip in zip(self.steps, self.labels, reversed(skips), strict=True):
            x, said = attention(step(x, skip), label)
            label = label + said
            decoded.append(x)
        logits = self.head(enlarged(self.aggregation(decoded), 2))
        return Output(
            probability=logits[:, 0].float().sigmoid(),
            logits=logits,
            auxiliary={ONE_OR_MANY: number, SIZES: size},
        )


def _densely(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Each layer's answer is added to everything before it, then rectified."""
    before = x
    for layer in layers:
        x = functional.relu(layer(x) + before)
        before = before + x
    return x
