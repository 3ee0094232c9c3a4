"""TransUNet's loss: 0.5 cross-entropy + 0.5 Dice over both classes (trainer.py of the official code)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from textbcs.models.blocks.losses import softmax_dice_ce
from textbcs.models.contract import Batch, Objective, Output


def objective(config: Mapping[str, Any]) -> Objective:
    """The objective of the method's `loss` block: `dice_weight` and `ce_weight`, 0.5 each there."""

    def loss(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        return softmax_dice_ce(
            output.logits,
            batch.mask,
            dice_weight=config["dice_weight"],
            ce_weight=config["ce_weight"],
        )

    return loss
