"""UNet++'s loss: Dice and cross-entropy under deep supervision.

All heads are at full resolution, and each of the five is compared with the mask, all with the same
weight (the paper's; the official code's lines for it are commented out, and what is left trains the
head of node (0, 1) only, while the mask is read from (0, 5): a defect that is not inherited). The
mean over the heads instead of their sum keeps the scale of a single head's loss. Dice over the whole
batch, as in the official trainer. Reads and writes no file.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from textbcs.models.blocks.nnunet import weighted_dice_ce
from textbcs.models.contract import Batch, Objective, Output


def objective(config: Mapping[str, Any]) -> Objective:
    """The loss; `config` holds no value of it."""

    def loss(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        heads = [output.logits, *output.auxiliary.values()]
        return weighted_dice_ce((1 / len(heads), head, batch.mask) for head in heads)

    return loss
