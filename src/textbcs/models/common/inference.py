"""Running a network over many slices: the same code for validation and for evaluation."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from textbcs.models.common.contract import Output, Segmenter
from textbcs.models.common.prompt_embeddings import PromptTable


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The context in which a network runs: `float32` changes nothing, `bfloat16` is autocast."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def network_input(image: Tensor, channels: int, channels_last: bool) -> Tensor:
    """One phase (B, H, W) as (B, channels, H, W) float32 in the wanted memory layout."""
    repeated = image.float()[:, None].expand(-1, channels, -1, -1)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return repeated.contiguous(memory_format=layout)


@torch.inference_mode()
def infer(
    model: Segmenter,
    image: Tensor,
    prompts: PromptTable,
    rows: Tensor,
    *,
    channels: int,
    batch_size: int,
    precision: str = "float32",
    channels_last: bool = True,
    dropout: bool = False,
) -> Iterator[Output]:
    """Segment slices in order, in evaluation mode; leaves the model in that mode.

    Args:
        model: a network on the slices' device.
        image: (n, H, W) in [0, 1], one phase.
        prompts: embedded prompts, on the same device.
        rows: (n,) int64, each slice's row in `prompts`.
        channels: of the image that the network takes.
        batch_size: slices at a time.
        precision: `float32` or `bfloat16`.
        channels_last: memory layout of the image.
        dropout: whether dropout stays switched on (MC-dropout), drawn from torch's global generator.

    Yields:
        The output of each batch; together they cover the n slices.
    """
    model.eval()
    for start in range(0, len(image), batch_size):
        part = slice(start, start + batch_size)
        switch_dropout(model, dropout)
        with autocast(image.device, precision):
            output = model(
                network_input(image[part], channels, channels_last), prompts.batch(rows[part])
            )
        switch_dropout(model, False)
        yield output


def switch_dropout(model: nn.Module, on: bool) -> None:
    """Switch a network's dropout alone on or off; batch normalisation keeps its running statistics."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train(on)
