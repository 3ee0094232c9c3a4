"""Augmentation on the device: mirror images with mirrored prompts, gain and shift of intensity, wordings.

For a method for use also tumour-free slices in the place of others, and prompts of the whole case, empty,
wrong and reworded ones; the mask stays the truth, so that it learns what a prompt is worth.

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
        config: `augmentation`, `flip_probability`, `intensity_gain`, `intensity_shift`, and `tumour_free` and
            `asked` where the split has `others`.
        generator: source of chance, on the split's device.
    """
    if split.others is not None:
        rows = some_tumour_free(split, rows, config["tumour_free"], generator)
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
    image = image.expand(-1, channels, -1, -1)
    if split.others is not None:
        asked = asked_otherwise(split, rows, flip, config["asked"], generator)
        return joined(split, rows, image, mask, *asked)
    prompt = torch.where(flip, split.mirrored[rows], split.prompt[rows])
    return joined(split, rows, image, mask, prompt, reworded(split, prompt, generator))


def some_tumour_free(split: Split, rows: Tensor, share: float, generator: Generator) -> Tensor:
    """The rows (B,) with tumour-free slices in the place of some, each with the chance `share`."""
    if split.others is None or not split.others.free:
        return rows
    count, device = len(rows), generator.device
    swapped = torch.rand(count, generator=generator, device=device) < share
    drawn = torch.randint(split.others.free, (count,), generator=generator, device=device)
    return torch.where(swapped, len(split) + drawn, rows)


def asked_otherwise(
    split: Split,
    rows: Tensor,
    flip: Tensor,
    shares: Mapping[str, float],
    generator: Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """What each slice of a batch is asked with.

    Args:
        split: with `others`.
        rows: (B,) int64, places in it.
        flip: (B,) bool, which are mirrored.
        shares: `case`, `empty`, `wrong`, `reworded`; the last three exclude one another.
        generator: source of chance.

    Returns:
        (B,) each: the prompts' rows, the rows of the texts that are read, and whether the prompt says what
        is true.
    """
    if split.others is None:
        raise ValueError("the split holds nothing else to ask")
    grammar = split.others.grammar
    chance = torch.rand(2, len(rows), generator=generator, device=generator.device)
    prompt = torch.where(chance[0] < shares["case"], split.others.case[rows], split.prompt[rows])
    prompt = torch.where(flip, grammar.mirrored(prompt), prompt)
    limits = (shares["empty"], shares["wrong"], shares["reworded"])
    empty = chance[1] < limits[0]
    wrong = ~empty & (chance[1] < limits[0] + limits[1])
    other = ~empty & ~wrong & (chance[1] < sum(limits))
    prompt = torch.where(wrong, grammar.exchanged(prompt, generator), prompt)
    prompt = torch.where(empty, grammar.empty, prompt)
    wording = reworded(split, prompt, generator)
    text = prompt if wording is None else torch.where(other, wording, prompt)
    return prompt, text, ~(empty | wrong)


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
