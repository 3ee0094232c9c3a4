"""U-Net on ResNet-50: the segmentation network of ConVIRT and GLoRIA.

Structure after segmentation_models_pytorch's `Unet("resnet50")`, written anew: five decoder blocks
(nearest upsampling to the next map, concatenation with it, two 3x3 convolutions without bias, each
with batch normalisation and ReLU) of 256, 128, 64, 32 and 16 channels at width 64, the last one
without a map to join, then a 3x3 head. 32.521 M parameters at width 64, 3 channels in and 1 class
out. Any image size goes in, for the decoder follows the encoder's sides; the last map has a 32nd of
them, so a batch of one in training needs 64 px (batch normalisation of a single value).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.resnet import BLOCKS, ResNet


class DecoderBlock(nn.Sequential):
    """Two times 3x3 convolution, batch normalisation, ReLU: (B, inputs, h, w) -> (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for before in (inputs, outputs):
            layers += [
                nn.Conv2d(before, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class ResNetUNet(Segmenter):
    """Image in, one sigmoid class out, no text.

    Args:
        config: `width` (of the stem; 64 in the original; a multiple of 4) and `blocks` (bottlenecks
            of the four stages).
        channels: of the image.
        image_size: side of the image in pixels; unused.
        text_dim: unused.

    Attributes:
        encoder: what contrastive pre-training trains; its parameters begin with `encoder.`.
    """

    full_size: ClassVar[Mapping[str, Any]] = {"width": 64, "blocks": BLOCKS}

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width = int(config["width"])
        self.encoder = ResNet.of(config, channels, image_size)
        outputs = (4 * width, 2 * width, width, width // 2, width // 4)
        skips = (*reversed(self.encoder.map_channels[:-1]), 0)
        inputs = (self.encoder.map_channels[-1], *outputs[:-1])
        self.decoder = nn.ModuleList(
            DecoderBlock(below + skip, after)
            for below, skip, after in zip(inputs, skips, outputs, strict=True)
        )
        self.head = nn.Conv2d(outputs[-1], 1, 3, padding=1)
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(cast(Tensor, self.head.bias))

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have one class."""
        *skips, x = self.encoder(image)
        for block in self.decoder:
            if skips:
                skip = skips.pop()
                x = functional.interpolate(x, size=skip.shape[2:])
                x = block(torch.cat([x, skip], dim=1))
            else:
                x = block(functional.interpolate(x, size=image.shape[2:]))
        logits = self.head(x)
        return Output(probability=logits[:, 0].float().sigmoid(), logits=logits)
