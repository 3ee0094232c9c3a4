"""The weights a training starts from: pre-trained on image-prompt pairs, or none.

A method whose package has a `Contrastive` model and whose `pretraining` block is not empty trains
that model on the train split; the val split selects the epoch, the test split is not read. Reads the
same files as the training; writes `results/pretrained/<method>/encoder.safetensors`, weights by the
names that the segmentation network gives them, and `history.csv`, one row an epoch. Both are empty
where there is no pre-training, so that every method has them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs import io
from textbcs.io import InputError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from textbcs.receipt import Stage

FIRST_COLUMNS = ("epoch", "learning_rate", "loss")


def pretrain(stage: Stage, method: str) -> None:
    """Write the weights that the method's training starts from.

    Params read: `training`, `methods.<method>.network`, `methods.<method>.pretraining`,
    `slices.channels`.

    Raises:
        InputError: bad input, an absent device, or a loss that is no finite number.
    """
    import pandas as pd

    config = stage.params["methods"][method]
    base = f"results/pretrained/{method}"
    if not config["pretraining"]:
        # Without torch: twelve methods pass here in no time.
        io.write_tensors(stage.output(f"{base}/encoder.safetensors"), {})
        empty = pd.DataFrame(columns=list(FIRST_COLUMNS))
        io.write_csv(stage.output(f"{base}/history.csv"), empty)
        return
    weights, history = _contrastive(stage, method, config)
    from textbcs.training import checkpoint

    checkpoint.write_weights(stage.output(f"{base}/encoder.safetensors"), weights)
    io.write_csv(stage.output(f"{base}/history.csv"), history)


def load_into(network: nn.Module, path: str | os.PathLike[str]) -> int:
    """Lay the weights of `pretrain` over a fresh network; the others keep their values.

    Returns:
        How many tensors were laid over it; 0 where there is no pre-training.

    Raises:
        InputError: the file is missing or damaged, or belongs to another configuration.
    """
    import torch

    state = network.state_dict()
    arrays = io.read_tensors(path)
    for name, array in arrays.items():
        # A file holds a counter, which has no dimension, as a vector of one.
        if name not in state or (tuple(state[name].shape) or (1,)) != array.shape:
            raise InputError(
                f"{path}: {name} {array.shape} is none of this network's; run the stage pretrain again"
            )
    laid = {name: torch.from_numpy(array) for name, array in arrays.items()}
    network.load_state_dict({**state, **laid})
    return len(laid)


def _contrastive(
    stage: Stage, method: str, config: Mapping[str, Any]
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train the method's contrastive model; returns its encoder's weights and its history."""
    import pandas as pd
    import torch

    from textbcs.device import open_device
    from textbcs.models import registry
    from textbcs.models.blocks.contrastive import encoder_weights
    from textbcs.training import checkpoint
    from textbcs.training.contrastive import ContrastiveRun
    from textbcs.training.loop import read_splits

    package = registry.package(config["network"]["model"])
    if not hasattr(package, "Contrastive"):
        raise InputError(
            f"methods.{method}.pretraining: this method has no pre-training; write {{}}"
        )
    settings = {**stage.params["training"], **config["pretraining"]}
    channels = int(stage.params["slices"]["channels"])
    device = open_device(stage, settings["device"])
    stage.seed = int(settings["seed"])
    train, val = read_splits(stage, device)
    if min(len(train), len(val)) < 2:
        raise InputError("pretraining: fewer than two slices in train or val; enlarge the cohort")
    torch.manual_seed(stage.seed)
    model = package.Contrastive(
        config["network"],
        settings,
        channels=channels,
        image_size=train.size,
        text_dim=train.prompts.dimension,
    )
    # Published weights of the encoder (`methods.<method>.weights`) go into `model` here, by the names
    # of the segmentation network: `model.load_state_dict({**model.state_dict(), **published})`.
    folder = checkpoint.resume_folder(
        stage.params, stage.input_hashes(), stage="pretrain", method=method
    )
    run = ContrastiveRun(model, settings, train, val, channels, stage.seed)
    run.fit(stage, folder)
    checkpoint.discard(folder)
    return encoder_weights(run.best_weights), pd.DataFrame(run.history)
