"""What a training starts from: the splits, the initial weights, the network, the loss.

Shared by the search and the training proper, so that a searched configuration is trained exactly as
it was searched. Reads the slices, prompts and embedded prompts of train and val, and the initial
weights; nothing of the test split. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from textbcs.base.io import InputError, read_tensors
from textbcs.base.variants import base_of, configuration
from textbcs.models.common import registry
from textbcs.models.common.contract import Segmenter
from textbcs.models.common.device import open_device, slow_precision
from textbcs.training.data import Split, read_learning_splits
from textbcs.training.loop import Run

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


@dataclass(frozen=True)
class Setup:
    """Everything that the trainings of one method have in common.

    Attributes:
        config: the blocks `network`, `loss` and `training` of the method or variant.
        settings: the section `training` with the method's own values laid over it.
        channels: of the image.
        train: slices to learn from.
        val: slices that select.
        initial: weights to start from, by the network's own parameter names; {} for none.
    """

    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    channels: int
    train: Split
    val: Split
    initial: Mapping[str, torch.Tensor]

    def run(self, seed: int, **changes: Any) -> Run:
        """A training that has not begun.

        Args:
            seed: of the weights, the order of the slices and the augmentation.
            changes: training values that win over `settings` (learning rate, batch size, epochs).

        Raises:
            InputError: the initial weights belong to another network.
        """
        torch.manual_seed(seed)
        network = self.config["network"]
        model = registry.build(
            network,
            channels=self.channels,
            image_size=self.train.size,
            text_dim=self.train.prompts.dimension,
        )
        settings = {**self.settings, **changes}
        if settings["foreground_prior"] is not None:
            model.start_at(float(settings["foreground_prior"]))
        _start_from(model, self.initial)
        objective = registry.objective(network["model"], self.config["loss"])
        return Run(model, settings, objective, self.train, self.val, self.channels, seed)


def set_up(stage: Stage, name: str) -> Setup:
    """Read what the trainings of the method or variant `name` need, onto the device.

    Raises:
        InputError: bad input or an absent device.
    """
    params = stage.params
    config = configuration(params, name)
    device = open_device(stage, params["training"]["device"])
    settings = {**params["training"], **config["training"]}
    if said := slow_precision(params):
        stage.log(f"slow: {said}")
    train, val = read_learning_splits(stage, device, settings)
    return Setup(
        config=config,
        settings=settings,
        channels=int(params["slices"]["channels"]),
        train=train,
        val=val,
        initial=_initial(
            stage.input(f"results/pretrained/{base_of(params, name)}/encoder.safetensors")
        ),
    )


def _initial(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in read_tensors(path).items()}


def _start_from(model: Segmenter, initial: Mapping[str, torch.Tensor]) -> None:
    """Load initial weights for the parameters that have some; the others stay as drawn."""
    own = model.state_dict()
    for name, value in initial.items():
        if name not in own or own[name].shape != value.shape:
            raise InputError(
                f"initial weights: {name} {tuple(value.shape)} is no parameter of this network; "
                "run the stage pretrain again"
            )
    model.load_state_dict({**own, **initial})
