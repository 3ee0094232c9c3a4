"""TransUNet with the hybrid encoder R50-ViT-B/16.

Paper: Chen et al. 2021, arXiv 2102.04306; structure after github.com/Beckschen/TransUNet at 02ef001
(networks/vit_seg_modeling.py, vit_seg_modeling_resnet_skip.py, the configuration R50-ViT-B_16),
written anew from its description. A ResNetV2 of 3, 4 and 9 units brings the image to 1/16; each place
of that map is a token of a ViT of 12 blocks (width 768, 12 heads, perceptron 3072, dropout 0.1) with
learnt positions; the decoder goes from 512 channels up to 256, 128, 64 and 16 with bilinear upsampling
and joins the maps of 1/8, 1/4 and 1/2; a 3x3 head. 105.276 M parameters at width 64, 3 channels in and
2 classes out, at 224 px. With equal weights the outputs are the official code's, at 224 and at 96 px
(largest difference 3e-8 of logits up to 0.16).

Deviations: every width but the last follows from one number (`width`: token 12 times, decoder 8, 4, 2
and 1), so do the groups of the normalisations (half the width, 32 in the original), so that small
presets can be built; nothing changes at width 64. The decoder's last step has 16 channels at every
width: with 4, all of them came to mean background, a lesion was where they are zero, and the head's
bias, which then is all that can say so, did not rise above it in 20 epochs. Images of any multiple of
16 are read, as there.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.transunet.resnet import ResNetV2
from textbcs.models.transunet.vit import Encoder

CLASSES = 2
PATCH = 16  # pixels a token
LAST = 16  # channels that the head reads
TOKEN_WIDTH = 12  # times the width: 768 at 64


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Up(nn.Module):
    """One step of the decoder: upsample by 2, join the encoder's map if there is one, two convolutions."""

    def __init__(self, below: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.upsample = nn.UpsamplingBilinear2d(scale_factor=2)
        self.conv1 = convolution(below + skip, outputs)
        self.conv2 = convolution(outputs, outputs)

    def forward(self, below: Tensor, skip: Tensor | None) -> Tensor:
        """(B, below, h, w) and (B, skip, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        x = self.upsample(below)
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        result: Tensor = self.conv2(self.conv1(x))
        return result


class TransUNet(Segmenter):
    """Image in, softmax over two classes out, no text.

    Config: `width` (64 in the original, a multiple of 4), `units` (three numbers), `layers`, `heads`
    (divides 12 * width), `dropout`. A single channel is repeated three times, as in the original.

    Raises:
        InputError: values that do not fit one another.
    """

    full_size: ClassVar[Mapping[str, Any]] = {
        "width": 64,
        "units": [3, 4, 9],
        "layers": 12,
        "heads": 12,
    }

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        w, heads, units = int(config["width"]), int(config["heads"]), list(config["units"])
        dropout = float(config["dropout"])
        _check(w, heads, units, image_size)
        self.side = image_size // PATCH
        token = TOKEN_WIDTH * w
        self.repeat = 3 if channels == 1 else 1
        self.resnet = ResNetV2(channels * self.repeat, w, units)
        self.embed = nn.Conv2d(16 * w, token, 1)
        self.position = nn.Parameter(torch.zeros(1, self.side**2, token))
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(token, heads, int(config["layers"]), dropout)
        self.widen = convolution(token, 8 * w)
        self.up = nn.ModuleList(
            [
                Up(8 * w, 8 * w, 4 * w),
                Up(4 * w, 4 * w, 2 * w),
                Up(2 * w, w, w),
                Up(w, 0, LAST),
            ]
        )
        self.head = nn.Conv2d(LAST, CLASSES, 3, padding=1)

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have two classes."""
        if self.repeat > 1:
            image = image.repeat(1, self.repeat, 1, 1)
        coarse, skips = self.resnet(image)
        tokens = self.embed(coarse).flatten(2).transpose(1, 2)
        tokens = self.encoder(self.dropout(tokens + self.position))
        x = tokens.transpose(1, 2).reshape(len(image), -1, self.side, self.side)
        x = self.widen(x)
        for up, skip in zip(self.up, [*reversed(skips), None], strict=True):
            x = up(x, skip)
        logits = self.head(x)
        return Output(probability=logits.float().softmax(1)[:, 1], logits=logits)


def _check(width: int, heads: int, units: list[int], image_size: int) -> None:
    """Raise InputError where the values do not fit one another."""
    if width < 4 or width % 4:
        raise InputError(f"transunet: width = {width}; use a multiple of 4 (64 in the original)")
    if TOKEN_WIDTH * width % heads:
        raise InputError(
            f"transunet: heads = {heads} does not divide {TOKEN_WIDTH} * width = {TOKEN_WIDTH * width}"
        )
    if len(units) != 3 or min(units) < 1:
        raise InputError(f"transunet: units = {units}; use three numbers (3, 4, 9 in the original)")
    if image_size % PATCH:
        raise InputError(f"transunet: image size {image_size}; use a multiple of {PATCH}")
