"""Seg-Grad-CAM of the encoder's stages of the UNet trunk, with and without SVLI.

Vinogradova et al. 2020: for the sum y of the foreground logits over the predicted mask, a stage's
channels are weighed by the mean of dy/dA over its pixels, added, cut at zero and brought to the image's
size. Where nothing is predicted, y is the sum over the whole image. Stages 1 to 4 are SVLI's (64 to 512
channels at full width: image size / 1, 2, 4, 8), taken after the interaction where there is one; stage
5 is the bottom of the trunk (image size / 16).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from textbcs.base.io import InputError
from textbcs.models.common.contract import Segmenter, TextBatch

STAGES = 5


def stage_maps(model: Segmenter, image: Tensor, text: TextBatch) -> tuple[Tensor, list[Tensor]]:
    """A forward pass that keeps the encoder's maps.

    Args:
        model: of the TextBCS family, in evaluation mode, with one foreground class.
        image: (B, channels, H, W).
        text: the prompts.

    Returns:
        Logits (B, H, W), and five maps (B, C, h, w) from which gradients can be asked.

    Raises:
        InputError: another family of networks.
    """
    trunk, head = getattr(model, "trunk", None), getattr(model, "head", None)
    if trunk is None or head is None:
        raise InputError(f"{type(model).__name__}: Grad-CAM of stages needs a UNet trunk")
    interaction = getattr(model, "svli", None)
    change: Callable[[int, Tensor], Tensor] | None = None
    if interaction is not None:
        change = interaction.begin(text, align=False)[0]
    kept: list[Tensor] = []

    def keep(stage: int, x: Tensor) -> Tensor:
        kept.append(x if change is None else change(stage, x))
        return kept[-1]

    bottoms: list[Tensor] = []
    handle = trunk.bottom.register_forward_hook(lambda module, inputs, out: bottoms.append(out))
    try:
        logits = head(trunk(image, keep))
    finally:
        handle.remove()
    return logits[:, 0].float(), [*kept, *bottoms]


@dataclass(frozen=True)
class Explained:
    """What a batch's predictions rest on.

    Attributes:
        heat: Seg-Grad-CAM of every stage at the image's size, (B, 5, H, W), >= 0.
        signed: the same before the cut at zero, at each stage's own size, five maps (B, h, w).
        probability: of the foreground, (B, H, W).
    """

    heat: Tensor
    signed: tuple[Tensor, ...]
    probability: Tensor


def heat_maps(model: Segmenter, image: Tensor, text: TextBatch, threshold: float) -> Explained:
    """Seg-Grad-CAM of every stage.

    Args:
        model: as for `stage_maps`.
        image: (B, channels, H, W).
        text: the prompts.
        threshold: a pixel is predicted foreground where its probability exceeds it.
    """
    with torch.enable_grad():
        logits, maps = stage_maps(model, image, text)
        probability = logits.detach().sigmoid()
        found = (probability > threshold).float()
        empty = found.flatten(1).sum(1) == 0
        region = torch.where(empty[:, None, None], torch.ones_like(found), found)
        # Slices of a batch do not touch one another in evaluation mode, so one sum serves them all.
        gradients = torch.autograd.grad((region * logits).sum(), maps)
    signed = [
        _weighed(values.detach(), gradient)
        for values, gradient in zip(maps, gradients, strict=True)
    ]
    heat = torch.cat([_cut(one, image.shape[-2:]) for one in signed], dim=1)
    return Explained(heat, tuple(one[:, 0] for one in signed), probability)


def _weighed(values: Tensor, gradient: Tensor) -> Tensor:
    """sum_k mean(dy/dA_k) A_k, (B, 1, h, w)."""
    return (gradient.mean((2, 3), keepdim=True) * values).sum(1, keepdim=True)


def _cut(signed: Tensor, size: torch.Size) -> Tensor:
    """A map's positive part, at the image's size."""
    return functional.interpolate(signed.relu(), size=size, mode="bilinear", align_corners=False)
