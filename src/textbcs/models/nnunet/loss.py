"""nnU-Net's loss: Dice and cross-entropy under deep supervision.

Every level's head is compared with the mask at its own resolution; a level counts half of the one above
it and the coarsest next to nothing. nnU-Net gives the coarsest 0, or 1e-6 where every parameter must
get a gradient (its distributed training); here it is 1e-6.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from textbcs.models.common.contract import Batch, Objective, Output
from textbcs.models.common.nnunet_blocks import padded, weighted_dice_ce

COARSEST = 1e-6


def level_weights(levels: int) -> list[float]:
    """Weight of each of two or more levels, the finest first; they sum to 1."""
    weights = [0.5**level for level in range(levels - 1)] + [COARSEST]
    return [weight / sum(weights) for weight in weights]


def mask_at(mask: Tensor, level: int, side: int) -> Tensor:
    """The mask as a head sees it: padded like the image, then every 2**level-th pixel.

    Args:
        mask: (B, H, W), 0 or 1.
        level: how often the head's map was halved, at least 1.
        side: of the head's map.

    Returns:
        (B, side, side), 0 or 1: the pixels right and below of the middle of each block, as torch's
        "nearest-exact" takes them.
    """
    whole = padded(mask, side * 2**level)
    return functional.interpolate(whole[:, None], (side, side), mode="nearest-exact")[:, 0]


def objective(config: Mapping[str, Any]) -> Objective:
    """The loss; `config` holds no value of it."""

    def loss(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        deeper = [output.auxiliary[f"level_{i + 1}"] for i in range(len(output.auxiliary))]
        logits = [output.logits, *deeper]
        masks = [batch.mask] + [
            mask_at(batch.mask, level, head.shape[-1]) for level, head in enumerate(deeper, 1)
        ]
        return weighted_dice_ce(zip(level_weights(len(logits)), logits, masks, strict=True))

    return loss
