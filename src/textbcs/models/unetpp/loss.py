"""UNet++'s loss: Dice and cross-entropy under deep supervision.

All heads are at full resolution, and each is compared with the mask, all with the same weight, as in
the paper. In the official trainer the lines for it are commented out: what is left descends the loss of
node (0, 1)'s head alone, while the mask is read from node (0, 5)'s, which then learns nothing. This
defect is not inherited. The mean over the heads instead of their sum keeps the scale of one head's
loss. Dice is that of the whole batch, as in the official trainer.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from textbcs.models.common.contract import Batch, Objective, Output
from textbcs.models.common.nnunet_blocks import weighted_dice_ce


def objective(config: Mapping[str, Any]) -> Objective:
    """The loss; `config` holds no value of it."""

    def loss(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        heads = [output.logits, *output.auxiliary.values()]
        return weighted_dice_ce((1 / len(heads), head, batch.mask) for head in heads)

    return loss
