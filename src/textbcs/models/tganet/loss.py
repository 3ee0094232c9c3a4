"""The loss of TGANet: of the mask, of the number and of the size, with equal weights.

Everything is computed in float32, outside autocast.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from textbcs.models.common.contract import Batch, Objective, Output
from textbcs.models.tganet.network import ONE_OR_MANY, SIZES

SMOOTH = 1.0  # of Dice, in the official code
SIZE_COLUMN, NUMBER_COLUMN = 2, 3  # of `Batch.attributes`


def pooled_dice_loss(probability: Tensor, mask: Tensor) -> Tensor:
    """1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1), the sums over the pixels of the whole batch.

    Args:
        probability: (B, H, W) in [0, 1].
        mask: (B, H, W), 0 or 1.
    """
    overlap = (probability * mask).sum()
    return 1 - (2 * overlap + SMOOTH) / (probability.sum() + mask.sum() + SMOOTH)


def known_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean cross-entropy over the slices whose label is known; 0 where none is.

    Args:
        logits: (B, C).
        label: (B,) int64; -1 where it is not known.
    """
    total = functional.cross_entropy(logits.float(), label, ignore_index=-1, reduction="sum")
    return total / (label >= 0).sum().clamp_min(1)


def objective(config: Mapping[str, Any]) -> Objective:
    """Dice + cross-entropy of the pixels, + cross-entropy of number (one, many), + that of size.

    `config` holds no value of it.
    """

    def whole(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the four parts, all with weight 1."""
        number = batch.attributes[:, NUMBER_COLUMN]
        logits = output.logits[:, 0].float()
        parts = {
            "dice": pooled_dice_loss(output.probability, batch.mask),
            "bce": functional.binary_cross_entropy_with_logits(logits, batch.mask),
            # two and more lesions are "many", as in the official code
            "number": known_cross_entropy(output.auxiliary[ONE_OR_MANY], number.clamp_max(1)),
            "size": known_cross_entropy(output.auxiliary[SIZES], batch.attributes[:, SIZE_COLUMN]),
        }
        return torch.stack(list(parts.values())).sum(), parts

    return whole
