"""UNet as LViT's and UCTransNet's code define it: the baseline and the trunk of TextBCS.

Paper: Ronneberger et al. 2015; structure after github.com/HUANLIZI/LViT (nets/UNet.py), written
anew from its description: one 3x3 convolution 3 -> 64, four times max-pooling and two
convolutions (128, 256, 512, 512), four times a 2x2 transposed convolution that keeps the number
of channels, concatenation with the encoder's map and two convolutions (256, 128, 64, 64), a 1x1
head. Every 3x3 convolution has a bias and is followed by batch normalisation and ReLU. 14.752 M
parameters at width 64, 3 channels in and 1 class out. No deviation.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.models.contract import Output, Segmenter, TextBatch

STAGES = 4  # encoder maps that the decoder joins: image size / 1, 2, 4, 8


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two of `convolution`, the first of which changes the number of channels."""
    return nn.Sequential(convolution(inputs, outputs), convolution(outputs, outputs))


class Up(nn.Module):
    """One step of the decoder: upsample by 2, join the encoder's map, two convolutions."""

    def __init__(self, below: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(below, below, 2, stride=2)
        self.convolutions = two_convolutions(below + skip, outputs)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, below, h, w) and (B, skip, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        joined: Tensor = self.convolutions(torch.cat([skip, self.upsample(below)], dim=1))
        return joined


class Trunk(nn.Module):
    """Encoder and decoder, with a place after each encoder stage where a map may be changed.

    Args:
        channels: of the image.
        width: channels after the first convolution; 64 in the original.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        w = width
        self.stage_channels = (w, 2 * w, 4 * w, 8 * w)
        self.first = convolution(channels, w)
        self.down = nn.ModuleList(
            two_convolutions(a, b) for a, b in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        )
        self.bottom = two_convolutions(8 * w, 8 * w)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            [Up(8 * w, 8 * w, 4 * w), Up(4 * w, 4 * w, 2 * w), Up(2 * w, 2 * w, w), Up(w, w, w)]
        )

    def forward(
        self, image: Tensor, change: Callable[[int, Tensor], Tensor] | None = None
    ) -> Tensor:
        """Map an image to the decoder's last map.

        Args:
            image: (B, channels, H, W); H and W are multiples of 16.
            change: called with a stage's index (0 to 3) and its map (B, width * 2**stage,
                H / 2**stage, W / 2**stage); what it returns goes to the next stage and the decoder.

        Returns:
            (B, width, H, W).
        """
        skips: list[Tensor] = []
        x = self.first(image)
        for stage in range(STAGES):
            if stage > 0:
                x = self.down[stage - 1](self.pool(x))
            if change is not None:
                x = change(stage, x)
            skips.append(x)
        x = self.bottom(self.pool(x))
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        result: Tensor = x
        return result


class UNet(Segmenter):
    """The baseline: image in, one sigmoid class out, no text."""

    full_size: ClassVar[Mapping[str, Any]] = {"width": 64}

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width = int(config["width"])
        self.trunk = Trunk(channels, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        logits = self.head(self.trunk(image))
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)
