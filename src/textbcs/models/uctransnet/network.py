"""UCTransNet as its official code defines it.

Paper: Wang et al. 2022 (AAAI); structure after github.com/McGregorWwww/UCTransNet 493bd81
(nets/UCTransNet.py and `transformer.py` here for nets/CTrans.py), written anew. The encoder is that
of LViT's UNet: one convolution, then four times max-pooling and two convolutions (64, 128, 256, 512,
512 channels). The four skips pass through the channel-wise cross fusion transformer (CCT) together.
A step of the decoder doubles the map by repetition of pixels, weighs the channels of the skip by
both (CCA), concatenates and convolves twice (256, 128, 64, 64); a 1x1 head and a sigmoid. Every
3x3 convolution has a bias and is followed by batch normalisation and ReLU.

66.431 M parameters at width 64, 224 px, 3 channels in and 1 class out. No deviation; the loss is
UNet's, as in the official code. The number of position embeddings, (image side / 16)**2, depends on
the image.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.linear import Linear
from textbcs.models.common.unet_blocks import convolution, two_convolutions
from textbcs.models.uctransnet.transformer import CrossFusion


class ChannelAttention(nn.Module):
    """CCA: one factor in [0, 1] a channel for the skip, from the means of the skip and the decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_skip = Linear(channels, channels)
        self.of_below = Linear(channels, channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, channels, h, w) twice -> (B, channels, h, w), >= 0."""
        scores = self.of_skip(skip.mean((2, 3))) + self.of_below(below.mean((2, 3)))
        return torch.relu(skip * torch.sigmoid(scores / 2)[:, :, None, None])


class Up(nn.Module):
    """One step of the decoder; the map below and the skip have the same number of channels."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2)
        self.attention = ChannelAttention(channels)
        self.convolutions = two_convolutions(2 * channels, outputs)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, channels, h, w) and (B, channels, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        x = self.upsample(below)
        result: Tensor = self.convolutions(torch.cat([self.attention(x, skip), x], dim=1))
        return result


class UCTransNet(Segmenter):
    """Image in, one sigmoid class out, no text."""

    full_size: ClassVar[Mapping[str, Any]] = {"width": 64, "layers": 4}

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        w = int(config["width"])
        self.first = convolution(channels, w)
        self.down = nn.ModuleList(
            two_convolutions(a, b)
            for a, b in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 8 * w))
        )
        self.pool = nn.MaxPool2d(2)
        self.fusion = CrossFusion((w, 2 * w, 4 * w, 8 * w), image_size, int(config["layers"]))
        self.up = nn.ModuleList(
            [Up(8 * w, 4 * w), Up(4 * w, 2 * w), Up(2 * w, w), Up(w, w)],
        )
        self.head = nn.Conv2d(w, 1, 1)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        x = self.first(image)
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))
        for up, skip in zip(self.up, reversed(self.fusion(skips)), strict=True):
            x = up(x, skip)
        logits = self.head(x)
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)
