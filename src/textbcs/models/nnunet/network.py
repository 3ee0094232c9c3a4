"""nnU-Net's 2-D network: a plain convolutional U-Net whose depth follows from the image size.

Paper: Isensee et al. 2021; structure after github.com/MIC-DKFZ/nnUNet 0e49508 (the topology rule of
its planner) and github.com/MIC-DKFZ/dynamic-network-architectures (PlainConvUNet), written anew.
Two 3x3 convolutions a stage, each with bias, instance normalisation and leaky ReLU; 32, 64, ... 512
channels; a stride of 2 in the first convolution of a stage halves the map; a 2x2 transposed
convolution doubles it; the encoder's map joins; a 1x1 head at every stage of the decoder, of which
all but the finest serve deep supervision while training. A softmax over two classes.

20,619,658 parameters at width 32, 224 px, 3 channels in and 2 classes out.

Deviations: one square patch, the whole image, instead of a plan over spacings and graphics memory;
an image that the depth does not divide is padded with zeros inside (nnU-Net pads its patch). No test
time mirroring and no ensemble of five folds: every method here has one network and one forward pass.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.nnunet_blocks import (
    CLASSES,
    cropped,
    initialize,
    padded,
    two_convolutions,
)

SMALLEST_MAP = 4  # no side of a map is shorter
CHANNEL_CAP = 16  # times the width: 512 at 32


def poolings(side: int) -> int:
    """How often nnU-Net's planner halves a square image of isotropic spacing.

    As long as the halves are no shorter than `SMALLEST_MAP`; an odd side is halved upwards.

    Args:
        side: of the image in pixels.
    """
    count = 0
    while side >= 2 * SMALLEST_MAP:
        side, count = -(-side // 2), count + 1
    return count


def features(side: int, width: int) -> tuple[int, ...]:
    """Channels of every stage, from the finest to the coarsest: one stage more than poolings."""
    return tuple(min(width * 2**stage, CHANNEL_CAP * width) for stage in range(poolings(side) + 1))


def patch_side(side: int) -> int:
    """The side to which an image is padded so that every pooling halves it evenly."""
    step = 1 << poolings(side)
    return -(-side // step) * step


class NNUNet(Segmenter):
    """Image in, two softmax classes out, no text.

    While training, `auxiliary` holds the deeper heads' logits as "level_1", "level_2", ...:
    (B, 2, s / 2**level, s / 2**level) with s = `patch_side`.
    """

    full_size: ClassVar[Mapping[str, Any]] = {"width": 32}

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        widths = features(image_size, int(config["width"]))
        self.side = patch_side(image_size)
        self.encoder = nn.ModuleList(
            two_convolutions(inputs, outputs, stride=1 if stage == 0 else 2)
            for stage, (inputs, outputs) in enumerate(
                zip((channels, *widths[:-1]), widths, strict=True)
            )
        )
        finer = list(pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, here, 2, 2) for here, below in finer)
        self.decoder = nn.ModuleList(two_convolutions(2 * here, here) for here, _ in finer)
        self.heads = nn.ModuleList(nn.Conv2d(here, CLASSES, 1) for here, _ in finer)
        initialize(self)

    def mask_heads(self) -> Iterable[nn.Module]:
        """See `Segmenter.mask_heads`."""
        return self.heads

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have two classes."""
        height, width = image.shape[-2:]
        x = padded(image, self.side)
        skips: list[Tensor] = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        auxiliary: dict[str, Tensor] = {}
        for level in reversed(range(len(self.decoder))):
            x = torch.cat([self.up[level](x), skips[level]], dim=1)
            x = self.decoder[level](x)
            if self.training and level > 0:
                auxiliary[f"level_{level}"] = self.heads[level](x)
        logits = cropped(self.heads[0](x), height, width)
        probability = logits.float().softmax(1)[:, 1]
        return Output(probability=probability, logits=logits, auxiliary=auxiliary)
