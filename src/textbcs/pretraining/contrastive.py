"""A contrastive pre-training under way: the training loop with another model, loss and score."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Generator, Tensor

from textbcs.models.common.contract import Objective, Segmenter
from textbcs.models.common.contrastive import Pretraining, retrieval
from textbcs.models.common.inference import autocast
from textbcs.training.data import Split, batch_of
from textbcs.training.loop import Run


class ContrastiveRun(Run):
    """Selects by the validation loss.

    Args:
        model: with fresh weights.
        settings: the training values of this pre-training.
        train: slices to learn from.
        val: slices whose loss selects the weights; at least 2.
        channels: of the image.
        seed: of shuffling and augmentation.
    """

    def __init__(
        self,
        model: Pretraining,
        settings: Mapping[str, Any],
        train: Split,
        val: Split,
        channels: int,
        seed: int,
    ) -> None:
        # The loop hands on what the model gives to the objective and looks at neither.
        segmenter, objective = cast(Segmenter, model), cast(Objective, model.objective)
        super().__init__(segmenter, settings, objective, train, val, channels, seed)
        self.pretraining = model
        self.val_batches = _batches(len(val), self.batch_size, train.image.device)

    @torch.no_grad()
    def validate(self) -> tuple[float, dict[str, float]]:
        """Judge the weights by their loss on the val slices, in batches that never change.

        Returns:
            Minus the loss, and the history's columns: the loss, the share of images whose most
            similar prompt of their batch is right, and that share for a random choice.
        """
        self.pretraining.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        for rows in self.val_batches:
            batch = batch_of(self.val_split, rows, self.channels)
            with autocast(self.device, self.settings["precision"]):
                embedded = self.pretraining(
                    batch.image.contiguous(memory_format=self.layout), batch.text
                )
            loss, _ = self.pretraining.objective(embedded, batch, self.epoch)
            found = retrieval(embedded.image @ embedded.text.T, batch.prompt)
            chance = (batch.prompt[:, None] == batch.prompt).double().mean()
            values = torch.stack([loss.double(), found.double().mean(), chance])
            sums += len(rows) * values
        loss_mean, found_mean, chance_mean = (sums / len(self.val_split)).tolist()
        columns = {
            "validation_loss": loss_mean,
            "validation_top1": found_mean,
            "validation_chance": chance_mean,
        }
        return -loss_mean, columns


def _batches(count: int, size: int, device: torch.device) -> list[Tensor]:
    """The numbers below `count` in equal parts of `size` or a little more, each of at least 2.

    Mixed once and for all: neighbouring slices are a patient's and often have one prompt.
    """
    order = torch.randperm(count, generator=Generator().manual_seed(0)).to(device)
    return list(order.tensor_split(max(1, count // max(size, 2))))
