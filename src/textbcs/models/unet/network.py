"""UNet as LViT's and UCTransNet's code define it.

Paper: Ronneberger et al. 2015; structure after github.com/HUANGLIZI/LViT (nets/UNet.py), written
anew from its description: one 3x3 convolution 3 -> 64, four times max-pooling and two
convolutions (128, 256, 512, 512), four times a 2x2 transposed convolution that keeps the number
of channels, concatenation with the encoder's map and two convolutions (256, 128, 64, 64), a 1x1
head. Every 3x3 convolution has a bias and is followed by batch normalisation and ReLU. 14.752 M
parameters at width 64, 3 channels in and 1 class out. No deviation.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.unet_blocks import Trunk


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
