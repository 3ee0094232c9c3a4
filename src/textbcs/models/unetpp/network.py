"""UNet++ as its official PyTorch code defines it, in 2-D.

Paper: Zhou et al. 2020 (IEEE TMI); structure after github.com/MrGiovanni/UNetPlusPlus 2659ddc
(pytorch/, generic_UNetPlusPlus with the arguments of nnUNetPlusPlusTrainerV2), written anew. Node
(i, j) lies at 1 / 2**i of the image's side; column 0 is the encoder, and node (i, j) reads all nodes
(i, 0) to (i, j - 1) and, through a 2x2 transposed convolution without bias, node (i + 1, j - 1). Five
poolings, by the stride of a stage's first convolution; two 3x3 convolutions a node, each with bias,
instance normalisation and leaky ReLU; 32, 64, 128, 256, 480, 480 channels; a 1x1 head without bias on
each of the nodes (0, 1) to (0, 5). The mask is that of (0, 5); a softmax over two classes.

24,000,608 parameters at width 32, 5 poolings, 3 channels in and 2 classes out.

Deviations: the number of poolings is a value (the official code fails with another than 5; the
paper's figures have 4, which is also what nnU-Net's rule gives at 96 px). An image that the poolings
do not divide, or of which they would leave a single pixel (an instance needs more to be normalised),
is padded with zeros inside. The loss has its own (`loss.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.heads import UnbiasedHead
from textbcs.models.common.nnunet_blocks import (
    CLASSES,
    cropped,
    initialize,
    padded,
    two_convolutions,
)

CHANNEL_CAP = 15  # times the width: 480 at 32


class Node(nn.Module):
    """Node (i, j) with j >= 1: upsample the node below, join the level's nodes, two convolutions.

    Args:
        below: channels of level i + 1.
        here: channels of level i.
        joined: j, how many nodes of level i are read.
    """

    def __init__(self, below: int, here: int, joined: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(below, here, 2, 2, bias=False)
        self.convolutions = two_convolutions((joined + 1) * here, here)

    def forward(self, below: Tensor, level: list[Tensor]) -> Tensor:
        """(B, below, h, w) and j maps (B, here, 2h, 2w) -> (B, here, 2h, 2w)."""
        result: Tensor = self.convolutions(torch.cat([*level, self.upsample(below)], dim=1))
        return result


class UNetPlusPlus(Segmenter):
    """Image in, two softmax classes out, no text.

    While training, `auxiliary` holds the logits of the heads on (0, 1), (0, 2), ... but the last as
    "column_1", "column_2", ..., each (B, 2, H, W).
    """

    full_size: ClassVar[Mapping[str, Any]] = {"width": 32, "poolings": 5}

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width, self.poolings = int(config["width"]), int(config["poolings"])
        widths = [width * min(2**level, CHANNEL_CAP) for level in range(self.poolings + 1)]
        step = 2**self.poolings
        self.side = max(2 * step, -(-image_size // step) * step)
        self.encoder = nn.ModuleList(
            two_convolutions(inputs, outputs, stride=1 if level == 0 else 2)
            for level, (inputs, outputs) in enumerate(
                zip((channels, *widths[:-1]), widths, strict=True)
            )
        )
        self.columns = nn.ModuleList(
            nn.ModuleList(
                Node(widths[level + 1], widths[level], column)
                for level in range(self.poolings - column + 1)
            )
            for column in range(1, self.poolings + 1)
        )
        self.heads = nn.ModuleList(UnbiasedHead(width, CLASSES) for _ in range(self.poolings))
        initialize(self)

    def mask_heads(self) -> Iterable[nn.Module]:
        """See `Segmenter.mask_heads`."""
        return self.heads

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; logits have two classes."""
        height, width = image.shape[-2:]
        x = padded(image, self.side)
        levels: list[list[Tensor]] = []
        for stage in self.encoder:
            x = stage(x)
            levels.append([x])
        for column in self.columns:
            # A node reads the newest map of the level below it, which is of the column before:
            # from fine to coarse, so that none is read too late.
            for level, node in enumerate(column.children()):
                levels[level].append(node(levels[level + 1][-1], levels[level]))
        # While training every column answers; otherwise the last alone.
        columns = range(1 if self.training else self.poolings, self.poolings + 1)
        answers = {
            f"column_{j}": cropped(self.heads[j - 1](levels[0][j]), height, width) for j in columns
        }
        logits = answers.pop(f"column_{self.poolings}")
        probability = logits.float().softmax(1)[:, 1]
        return Output(probability=probability, logits=logits, auxiliary=answers)
