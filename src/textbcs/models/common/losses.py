"""Losses that several methods share, in closed form.

Everything is computed in float32, outside autocast.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional

from textbcs.models.common.contract import Batch, Objective, Output

SMOOTH = 1e-5  # keeps Dice defined where prediction and truth are both empty
HALVED_SMOOTH = 4 * SMOOTH  # the same of `squared_dice_loss`, which says why


def squared_dice_loss(probability: Tensor, mask: Tensor) -> Tensor:
    """Mean over slices of 1 - (2 sum(p y) + s) / (sum(p^2) + sum(y^2) + s), as in LViT's code.

    That code (and UCTransNet's) first halves p and y, so that every sum is a quarter of the one here, and
    then smooths with 1e-5: in these sums s = 4e-5. It matters where prediction and truth are nearly empty.

    Args:
        probability: (B, H, W) in [0, 1].
        mask: (B, H, W), 0 or 1.
    """
    p, y = probability.flatten(1), mask.flatten(1)
    square = (p * p).sum(1) + (y * y).sum(1)
    return (1 - (2 * (p * y).sum(1) + HALVED_SMOOTH) / (square + HALVED_SMOOTH)).mean()


def balanced_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Half the mean over foreground pixels plus half the mean over background pixels (LViT's code).

    Args:
        logits: (B, H, W), before the sigmoid.
        mask: (B, H, W), 0 or 1.
    """
    loss = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return _mean_where(loss, mask, 0.5) + _mean_where(loss, 1 - mask, 0.5)


def dice_bce(output: Output, mask: Tensor) -> dict[str, Tensor]:
    """The two parts of the UNet's loss, 0.5 each: squared Dice and balanced cross-entropy."""
    return {
        "dice": squared_dice_loss(output.probability, mask),
        "bce": balanced_cross_entropy(output.logits[:, 0].float(), mask),
    }


def dice_bce_objective(config: Mapping[str, Any]) -> Objective:
    """`dice_bce` as the whole objective; `config` holds no value of it."""

    def objective(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        parts = dice_bce(output, batch.mask)
        return 0.5 * parts["dice"] + 0.5 * parts["bce"], parts

    return objective


def softmax_dice_ce(
    logits: Tensor, mask: Tensor, *, dice_weight: float, ce_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of Dice and cross-entropy over all classes, as TransUNet and Swin-UNet train.

    Dice is 1 - (2 sum(p y) + s) / (sum(p^2) + sum(y^2) + s) of each class, the sums over all pixels of
    the batch (not per slice), then the mean of the classes, background included.

    Args:
        logits: (B, C, H, W), before the softmax.
        mask: (B, H, W), the class as a number (0 or 1 with two classes).
        dice_weight: of the Dice part.
        ce_weight: of the mean cross-entropy.

    Returns:
        The total and the two unweighted parts, `dice` and `ce`.
    """
    raw, target = logits.float(), mask.long()
    p = raw.softmax(1)
    y = functional.one_hot(target, raw.shape[1]).movedim(-1, 1).float()
    over = (0, 2, 3)
    ratio = (2 * (p * y).sum(over) + SMOOTH) / ((p * p).sum(over) + (y * y).sum(over) + SMOOTH)
    parts = {"dice": (1 - ratio).mean(), "ce": functional.cross_entropy(raw, target)}
    return dice_weight * parts["dice"] + ce_weight * parts["ce"], parts


def softmax_dice_ce_objective(config: Mapping[str, Any]) -> Objective:
    """`softmax_dice_ce` as the whole objective, with the `dice_weight` and `ce_weight` of `config`."""

    def objective(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        return softmax_dice_ce(
            output.logits,
            batch.mask,
            dice_weight=config["dice_weight"],
            ce_weight=config["ce_weight"],
        )

    return objective


def _mean_where(values: Tensor, weight: Tensor, factor: float) -> Tensor:
    """factor * weighted mean of values; 0 where no weight is set."""
    return factor * (values * weight).sum() / weight.sum().clamp_min(1)
