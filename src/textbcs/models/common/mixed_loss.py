"""The segmentation loss of GLoRIA's and MGCA's code: focal minus the logarithm of Dice.

Computed in float32, outside autocast.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from textbcs.models.common.contract import Batch, Objective, Output

SMOOTH = 1.0  # of the Dice ratio, in pixels (both repositories)


def focal_loss(logits: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """Mean over pixels of (1 - p_true)^gamma * cross-entropy (Lin et al. 2017, without alpha).

    Args:
        logits: (B, H, W), before the sigmoid.
        mask: (B, H, W), 0 or 1.
        gamma: 0 gives the cross-entropy.
    """
    loss = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    wrong = functional.logsigmoid(logits * (1 - 2 * mask))  # ln(1 - p_true)
    return ((gamma * wrong).exp() * loss).mean()


def log_dice_loss(probability: Tensor, mask: Tensor) -> Tensor:
    """-ln of the Dice of all pixels of the batch taken together.

    Args:
        probability: (B, H, W) in [0, 1].
        mask: (B, H, W), 0 or 1.
    """
    both = 2 * (probability * mask).sum() + SMOOTH
    return -torch.log(both / (probability.sum() + mask.sum() + SMOOTH))


def mixed_objective(config: Mapping[str, Any]) -> Objective:
    """focal_weight * focal - ln Dice.

    Args:
        config: `focal_weight` (10 in both repositories) and `focal_gamma` (2).
    """
    weight, gamma = float(config["focal_weight"]), float(config["focal_gamma"])

    def objective(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        parts = {
            "focal": focal_loss(output.logits[:, 0].float(), batch.mask, gamma),
            "log_dice": log_dice_loss(output.probability, batch.mask),
        }
        return weight * parts["focal"] + parts["log_dice"], parts

    return objective
