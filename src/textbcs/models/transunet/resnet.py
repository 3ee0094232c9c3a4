"""The convolutional half of TransUNet's encoder: the first three stages of a ResNetV2.

It is BiT's ResNet-50 (Kolesnikov et al. 2020) with nine units in its third stage and no fourth: every
convolution standardises its weights and group normalisation follows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_WEIGHT_EPSILON = 1e-5
_NORM_EPSILON = 1e-6


def groups_of(width: int) -> int:
    """Groups of every group normalisation: 32 at width 64, and two channels a group at least."""
    return width // 2


class StandardisedConvolution(nn.Conv2d):
    """Convolution without bias, "same" padding, weights of mean 0 and variance 1 per output."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, side, stride=stride, padding=side // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        weight = (self.weight - mean) * torch.rsqrt(variance + _WEIGHT_EPSILON)
        return functional.conv2d(x, weight, None, self.stride, self.padding)


class Unit(nn.Module):
    """Bottleneck of 1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Args:
        inputs: channels.
        middle: channels of the bottleneck.
        stride: of the 3x3 convolution; with another size or width the shortcut is projected.
        groups: of the three normalisations; the projection's has one channel a group.
    """

    def __init__(self, inputs: int, middle: int, stride: int, groups: int) -> None:
        super().__init__()
        outputs = 4 * middle
        self.conv1 = StandardisedConvolution(inputs, middle, 1)
        self.norm1 = nn.GroupNorm(groups, middle, eps=_NORM_EPSILON)
        self.conv2 = StandardisedConvolution(middle, middle, 3, stride)
        self.norm2 = nn.GroupNorm(groups, middle, eps=_NORM_EPSILON)
        self.conv3 = StandardisedConvolution(middle, outputs, 1)
        self.norm3 = nn.GroupNorm(groups, outputs, eps=_NORM_EPSILON)
        self.projected = stride != 1 or inputs != outputs
        if self.projected:
            self.projection = StandardisedConvolution(inputs, outputs, 1, stride)
            self.projection_norm = nn.GroupNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 4 * middle, H / stride, W / stride)."""
        shortcut = self.projection_norm(self.projection(x)) if self.projected else x
        y = self.norm1(self.conv1(x)).relu_()
        y = self.norm2(self.conv2(y)).relu_()
        y = self.norm3(self.conv3(y))
        return functional.relu(shortcut + y)


class ResNetV2(nn.Module):
    """Three stages of units behind a 7x7 convolution and a pooling.

    Args:
        channels: of the image.
        width: channels after the first convolution; 64 in the original.
        units: in each stage; 3, 4 and 9 in the original.
    """

    def __init__(self, channels: int, width: int, units: Sequence[int]) -> None:
        super().__init__()
        groups = groups_of(width)
        self.root = StandardisedConvolution(channels, width, 7, 2)
        self.root_norm = nn.GroupNorm(groups, width, eps=_NORM_EPSILON)
        # Without padding, as in the original: half a map of an even side loses its last row.
        self.pool = nn.MaxPool2d(3, stride=2)
        self.stages = nn.ModuleList()
        inputs = width
        for stage, count in enumerate(units):
            middle = width * 2**stage
            rows = [Unit(inputs, middle, 1 if stage == 0 else 2, groups)]
            rows += [Unit(4 * middle, middle, 1, groups) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*rows))
            inputs = 4 * middle

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Map an image to its coarsest map and the maps for the decoder.

        Args:
            image: (B, channels, H, W); H = W is a multiple of 16.

        Returns:
            (B, 16 * width, H / 16, W / 16), and from fine to coarse (B, width, H / 2, W / 2),
            (B, 4 * width, H / 4, W / 4), (B, 8 * width, H / 8, W / 8).
        """
        x = self.root_norm(self.root(image)).relu_()
        skips = [x]
        x = self.pool(x)
        for stage in self.stages[:-1]:
            x = stage(x)
            side = image.shape[-1] // 2 ** (len(skips) + 1)
            # The pooling's lost row is given back to the decoder as zeros, not to the next stage.
            skips.append(functional.pad(x, (0, side - x.shape[-1], 0, side - x.shape[-2])))
        return self.stages[-1](x), skips
