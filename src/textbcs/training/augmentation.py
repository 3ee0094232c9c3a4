"""Augmentation on the device: mirror images with mirrored prompts, gain and shift of intensity, wordings.

No rotation: it would make the prompt's "left" and "right" untrue. All numbers come from one generator
of the training's own, so that nothing else can move them.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from textbcs.models.common.contract import Batch
from textbcs.training.augmentation_nnunet import augmented_nnunet
from textbcs.training.data import Split, batch_of, joined


def augmented(
    split: Split, rows: Tensor, channels: int, config: Mapping[str, Any], generator: Generator
) -> Batch:
    """Gather a batch and change every slice of it by chance.

    Args:
        split: the training slices.
        rows: (B,) int64, which of them.
        channels: of the image that the network takes.
        config: `augmentation`, `flip_probability`, `intensity_gain`, `intensity_shift`.
        generator: source of chance, on the split's device.
    """
    batch = batch_of(split, rows, 1)
    chance = torch.rand(3, len(rows), generator=generator, device=generator.device)
    flip = chance[0] < config["flip_probability"]
    image, mask = flipped(batch.image, flip), flipped(batch.mask, flip)
    if config["augmentation"] == "nnunet":
        image = augmented_nnunet(image, generator)
    else:
        gain = 1 + config["intensity_gain"] * (2 * chance[1] - 1)
        shift = config["intensity_shift"] * (2 * chance[2] - 1)
        image = image * gain[:, None, None, None] + shift[:, None, None, None]
    prompt = torch.where(flip, split.mirrored[rows], split.prompt[rows])
    image = image.expand(-1, channels, -1, -1)
    return joined(split, rows, image, mask, prompt, reworded(split, prompt, generator))


def reworded(split: Split, prompt: Tensor, generator: Generator) -> Tensor | None:
    """The row of one wording by chance of each prompt (B,); None, and no number drawn, without any."""
    if split.wordings is None:
        return None
    most = split.wordings.shape[1]
    drawn = torch.randint(most, (len(prompt),), generator=generator, device=generator.device)
    return split.wordings[prompt, drawn]


def flipped(x: Tensor, flip: Tensor) -> Tensor:
    """Mirror the columns of the entries of x (B, ..., W) where flip (B,) is True."""
    return torch.where(flip.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
