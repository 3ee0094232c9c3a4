"""The UNet of LViT's and UCTransNet's code without its head: the baseline's body, TextBCS's trunk.

Structure after github.com/HUANGLIZI/LViT (nets/UNet.py), written anew from its description; the
baseline (`models/unet`) says what it is made of.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

STAGES = 4  # encoder maps that the decoder joins: image size / 1, 2, 4, 8
DROPPED_STAGES = (2, 3)  # encoder stages with dropout; the bottom has it too
DROPPED_STEPS = 2  # steps of the decoder with dropout, the deepest ones


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two of `convolution`, the first of which changes the number of channels."""
    return nn.Sequential(convolution(inputs, outputs), convolution(outputs, outputs))


class Up(nn.Module):
    """One step of the decoder: upsample by 2, the encoder's map behind it, two convolutions."""

    def __init__(self, below: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(below, below, 2, stride=2)
        self.convolutions = two_convolutions(below + skip, outputs)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """(B, below, h, w) and (B, skip, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        joined: Tensor = self.convolutions(torch.cat([self.upsample(below), skip], dim=1))
        return joined


class Trunk(nn.Module):
    """Encoder and decoder, with a place after each encoder stage where a map may be changed.

    Args:
        channels: of the image.
        width: channels after the first convolution; 64 in the original.
        dropout: probability with which a channel of the deeper half's maps is dropped. Where: after
            the central encoder and decoder units, the best of Bayesian SegNet's six places (Kendall,
            Badrinarayanan and Cipolla 2015). What: whole channels, because a map's neighbours say
            the same (Tompson et al. 2015). With 0 the network is the one without, to the last bit.
    """

    def __init__(self, channels: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        w = width
        self.drop = nn.Dropout2d(dropout) if dropout else nn.Identity()
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
        self,
        image: Tensor,
        change: Callable[[int, Tensor], Tensor] | None = None,
        decoded: list[Tensor] | None = None,
    ) -> Tensor:
        """Map an image to the decoder's last map.

        Args:
            image: (B, channels, H, W); H and W are multiples of 16.
            change: called with a stage's index (0 to 3) and its map (B, width * 2**stage,
                H / 2**stage, W / 2**stage); what it returns goes to the next stage and the decoder.
            decoded: takes the map of every decoder step, the last one too.

        Returns:
            (B, width, H, W).
        """
        skips: list[Tensor] = []
        x = self.first(image)
        for stage in range(STAGES):
            if stage > 0:
                x = self.down[stage - 1](self.pool(x))
            if stage in DROPPED_STAGES:
                x = self.drop(x)
            if change is not None:
                x = change(stage, x)
            skips.append(x)
        x = self.drop(self.bottom(self.pool(x)))
        for step, (up, skip) in enumerate(zip(self.up, reversed(skips), strict=True)):
            x = up(x, skip)
            if step < DROPPED_STEPS:
                x = self.drop(x)
            if decoded is not None:
                decoded.append(x)
        result: Tensor = x
        return result
