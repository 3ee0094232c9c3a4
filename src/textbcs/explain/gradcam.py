"""Seg-Grad-CAM of the encoder's stages of the UNet trunk, with and without SVLI.

Vinogradova et al. 2020: for the sum y of the foreground logits over the predicted mask, a stage's
channels are weighed by the mean of dy/dA over its pixels, added, cut at zero and brought to the
image's size. Where nothing is predicted, y is the sum over the whole image. Stages 1 to 4 are SVLI's
(64 to 512 channels at full width: image size / 1, 2, 4, 8), taken after the interaction where there is
one; stage 5 is the bottom of the trunk (image size / 16). Reads and writes no file.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from textbcs.io import InputError
from textbcs.models.contract import Segmenter, TextBatch

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


def heat_maps(
    model: Segmenter, image: Tensor, text: TextBatch, threshold: float
) -> tuple[Tensor, Tensor]:
    """Seg-Grad-CAM of every stage.

    Args:
        model: as for `stage_maps`.
        image: (B, channels, H, W).
        text: the prompts.
        threshold: a pixel is predicted foreground where its probability exceeds it.

    Returns:
        Heat (B, 5, H, W) >= 0, and the foreground probability (B, H, W).
    """
    with torch.enable_grad():
        logits, maps = stage_maps(model, image, text)
        probability = logits.detach().sigmoid()
        found = (probability > threshold).float()
        empty = found.flatten(1).sum(1) == 0
        region = torch.where(empty[:, None, None], torch.ones_like(found), found)
        # Slices of a batch do not touch one another in evaluation mode, so one sum serves them all.
        gradients = torch.autograd.grad((region * logits).sum(), maps)
    size = image.shape[-2:]
    return torch.stack(
        [_cam(values.detach(), grad, size) for values, grad in zip(maps, gradients, strict=True)],
        dim=1,
    ), probability


def _cam(values: Tensor, gradient: Tensor, size: torch.Size) -> Tensor:
    """relu(sum_k mean(dy/dA_k) A_k), (B, H, W)."""
    weight = gradient.mean((2, 3), keepdim=True)
    heat = (weight * values).sum(1, keepdim=True).relu()
    return functional.interpolate(heat, size=size, mode="bilinear", align_corners=False)[:, 0]
