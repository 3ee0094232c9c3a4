"""The loss of TextBCS and of its ablations: TextBCS section 3.3, equations 6, 7 and 12 to 15.

Everything is computed in float32 or float64, outside autocast.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from textbcs.models.common.contract import Batch, Objective, Output
from textbcs.models.common.losses import (
    SMOOTH,
    balanced_cross_entropy,
    squared_dice_loss,
)


def dice_loss(probability: Tensor, onehot: Tensor) -> Tensor:
    """Dice loss over all classes: TextBCS eq. 15, per slice and class, then the mean.

    1 - (1/C) sum_c 2 sum_i p y / (sum_i p + sum_i y), the sums over a slice's pixels.

    Args:
        probability: (B, C, H, W), alpha / S.
        onehot: (B, C, H, W), 0 or 1.
    """
    p, y = probability.flatten(2), onehot.flatten(2)
    ratio = (2 * (p * y).sum(2) + SMOOTH) / (p.sum(2) + y.sum(2) + SMOOTH)
    return (1 - ratio).mean()


def evidence_loss(alpha: Tensor, onehot: Tensor) -> Tensor:
    """Expected cross-entropy under the Dirichlet: TextBCS eq. 12 (Sensoy et al. 2018, eq. 4).

    sum_c y_c (psi(S) - psi(alpha_c)), per pixel.

    Args:
        alpha: (B, C, ...) >= 1; computed in its dtype (float32 is accurate to 1e-5 up to 1e7).
        onehot: like `alpha`, 0 or 1.

    Returns:
        (B, ...), >= 0.
    """
    true = (onehot * alpha).sum(1)
    return torch.digamma(alpha.sum(1)) - torch.digamma(true)


def kl_two_classes(evidence: Tensor, onehot: Tensor) -> Tensor:
    """Eq. 13 with its alpha~ = y + (1 - y) alpha, for two classes and exact labels.

    alpha~ of the true class is 1, so that KL(Beta(1, a) || Beta(1, 1)) = ln a + 1/a - 1 with a the
    other class's alpha: no gamma function, and accurate in float32 at any evidence.

    Args:
        evidence: (B, 2, ...) >= 0.
        onehot: like `evidence`, 0 or 1.

    Returns:
        (B, ...), >= 0.
    """
    wrong = ((1 - onehot) * evidence).sum(1)
    return torch.log1p(wrong) - wrong / (1 + wrong)


def alignment_loss(similarity: tuple[Tensor, ...], mask: Tensor, balanced: bool) -> Tensor:
    """Text-to-image contrastive loss: TextBCS eq. 6 and 7, the mean over the stages.

    A token is positive where its part of the mask holds any foreground (at 16 px a token, rounding
    to nearest would lose most small tumours).

    Args:
        similarity: per stage, (B, h, w): cosine over temperature.
        mask: (B, H, W), 0 or 1.
        balanced: the mean of the positive tokens' and the negative tokens' means instead of the
            mean over all tokens.
    """
    stages = []
    for values in similarity:
        side = values.shape[-1]
        target = functional.adaptive_max_pool2d(mask[:, None], side)[:, 0]
        if balanced:
            stages.append(balanced_cross_entropy(values.float(), target))
        else:
            stages.append(functional.binary_cross_entropy_with_logits(values.float(), target))
    return torch.stack(stages).mean()


def dice_and_cross_entropy(
    logits: Tensor, mask: Tensor, balanced: bool, together: bool = False
) -> dict[str, Tensor]:
    """Squared Dice and cross-entropy of a sigmoid head; 0.5 each are the UNet's loss.

    Args:
        logits: (B, H, W), before the sigmoid.
        mask: (B, H, W) in [0, 1].
        balanced: whether foreground and background weigh alike, or every pixel (ours: the first
            pays for tumours drawn too large).
        together: one Dice of all slices of the batch instead of the mean of theirs (ours: on a slice without
            a tumour the slice's own Dice is all or nothing, and teaches nothing).
    """
    z = logits.float()
    plain = functional.binary_cross_entropy_with_logits
    entropy = balanced_cross_entropy(z, mask) if balanced else plain(z, mask)
    p, y = z.sigmoid(), mask
    if together:
        p, y = p.reshape(1, -1, 1), y.reshape(1, -1, 1)
    return {"dice": squared_dice_loss(p, y), "bce": entropy}


def deep_loss(
    heads: Iterable[Tensor], mask: Tensor, balanced: bool, together: bool = False
) -> Tensor:
    """Deep supervision, ours: `dice_and_cross_entropy`, 0.5 each, on the decoder's coarser maps.

    The target is the mask's share of each coarse pixel. Each halving of the sides halves the weight,
    and the weights sum to 1 (nnU-Net's rule).

    Args:
        heads: logits, (B, h, h) each, h a divisor of H.
        mask: (B, H, H), 0 or 1.
        balanced, together: as in `dice_and_cross_entropy`.
    """
    total, weights = mask.new_zeros(()), 0.0
    for logits in heads:
        side = logits.shape[-1]
        share = functional.adaptive_avg_pool2d(mask[:, None], side)[:, 0]
        parts = dice_and_cross_entropy(logits, share, balanced, together)
        total, weights = total + side * (parts["dice"] + parts["bce"]) / 2, weights + side
    return total / weights


def objective(config: Mapping[str, Any]) -> Objective:
    """TextBCS eq. 14; without its evidential head the UNet's loss stands for the first three.

    Args:
        config: `lambda_evidence`, `lambda_kl`, `kl_annealing_epochs`, `lambda_alignment`,
            `balanced_alignment`; ours: `balanced_cross_entropy` (true where absent), `batch_dice` (false
            where absent) and, with deep supervision, `lambda_deep` (params.yaml says what each is).
    """
    balanced, together = config.get("balanced_cross_entropy", True), config.get("batch_dice", False)

    def whole(output: Output, batch: Batch, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        if output.evidence is None:
            parts = dice_and_cross_entropy(output.logits[:, 0], batch.mask, balanced, together)
            total = 0.5 * parts["dice"] + 0.5 * parts["bce"]
        else:
            total, parts = _evidential(output.evidence, batch.mask, epoch, config)
        if output.alignment:
            # A prompt that does not say what is true is like no part of the image.
            meant = batch.mask if batch.told is None else batch.mask * batch.told[:, None, None]
            parts["alignment"] = alignment_loss(
                output.alignment, meant, config["balanced_alignment"]
            )
            total = total + config["lambda_alignment"] * parts["alignment"]
        if output.auxiliary:
            parts["deep"] = deep_loss(output.auxiliary.values(), batch.mask, balanced, together)
            total = total + config["lambda_deep"] * parts["deep"]
        return total, parts

    return whole


def _evidential(
    evidence: Tensor, mask: Tensor, epoch: int, config: Mapping[str, Any]
) -> tuple[Tensor, dict[str, Tensor]]:
    onehot = torch.stack([1 - mask, mask], dim=1)
    alpha = evidence + 1
    parts = {
        "dice": dice_loss(alpha / alpha.sum(1, keepdim=True), onehot),
        "evidence": evidence_loss(alpha, onehot).mean(),
        "kl": kl_two_classes(evidence, onehot).mean(),
    }
    annealed = config["lambda_kl"] * min(1.0, epoch / config["kl_annealing_epochs"])
    total = parts["dice"] + config["lambda_evidence"] * parts["evidence"] + annealed * parts["kl"]
    return total, parts
