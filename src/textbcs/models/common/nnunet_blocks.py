"""Parts of the nnU-Net framework that nnU-Net and the PyTorch code of UNet++ share.

Facts after github.com/MIC-DKFZ/nnUNet and dynamic-network-architectures; written anew.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.01  # of the leaky ReLU for negative values
SMOOTH = 1e-5  # keeps Dice defined where prediction and truth are both empty
CLASSES = 2  # background and foreground, before a softmax


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution with bias, instance normalisation with weights, leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
        nn.InstanceNorm2d(outputs, eps=1e-5, affine=True),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


def two_convolutions(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Two of `convolution`; the first changes the number of channels and, by a stride, halves."""
    return nn.Sequential(convolution(inputs, outputs, stride), convolution(outputs, outputs))


def initialize(module: nn.Module) -> None:
    """Weights as the framework draws them: He normal for convolutions, their biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, a=SLOPE)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def padded(x: Tensor, side: int) -> Tensor:
    """Zeros around x (..., H, W), as evenly as possible, up to (..., side, side)."""
    before = [(side - size) // 2 for size in x.shape[-2:]]
    after = [side - size - left for size, left in zip(x.shape[-2:], before, strict=True)]
    if not any(before + after):
        return x
    return functional.pad(x, (before[1], after[1], before[0], after[0]))


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """The part (..., height, width) of x that `padded` put in its middle."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def dice_ce(logits: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The two parts of nnU-Net's loss, 1 each.

    Dice: 1 - 2 sum(p y) / (sum(p) + sum(y)) of the foreground, the sums over all pixels of the whole
    batch (`batch_dice`, as nnU-Net plans for 2-D). nnU-Net descends the same without the 1.
    Cross-entropy: the mean over pixels.

    Args:
        logits: (B, 2, H, W), class 1 is foreground.
        mask: (B, H, W), 0 or 1.
    """
    logits = logits.float()
    p = logits.softmax(1)[:, 1]
    dice = (2 * (p * mask).sum() + SMOOTH) / (p.sum() + mask.sum() + SMOOTH)
    return {"dice": 1 - dice, "ce": functional.cross_entropy(logits, mask.long())}


def weighted_dice_ce(
    heads: Iterable[tuple[float, Tensor, Tensor]],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Deep supervision: the weighted sum over heads of `dice_ce`, and its two parts.

    Args:
        heads: of each, its weight, logits (B, 2, h, w) and mask (B, h, w).
    """
    sums: dict[str, list[Tensor]] = {"dice": [], "ce": []}
    for weight, logits, mask in heads:
        for name, value in dice_ce(logits, mask).items():
            sums[name].append(weight * value)
    parts = {name: torch.stack(values).sum() for name, values in sums.items()}
    return parts["dice"] + parts["ce"], parts
