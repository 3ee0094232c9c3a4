"""The stage `pretrain`: the weights that a method starts from.

Published ones from a local file, then the method's own contrastive pre-training on the pairs of image
and prompt of the train split; the val split selects the epoch, the test split is not read. Writes
`results/pretrained/<method>/encoder.safetensors`, weights by the names that the segmentation network
gives them, and `history.csv`, one row an epoch. Both are empty where a method starts from chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base import io
from textbcs.base.io import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from textbcs.models.common.contrastive import Pretraining
    from textbcs.stage.receipt import Stage
    from textbcs.training.data import Split

NO_WEIGHTS = ("none", io.NONE, "")


def run(stage: Stage, method: str) -> None:
    """Write the initial weights of one method.

    Params read: `training`, `slices.channels`, `methods.<method>.network`, `methods.<method>.initial`.

    Raises:
        InputError: bad input, an absent device, or a loss that is no finite number.
    """
    config = stage.params["methods"][method]
    weights = stage.output(f"results/pretrained/{method}/encoder.safetensors")
    history = stage.output(f"results/pretrained/{method}/history.csv")
    initial = config["initial"]
    if str(initial["weights"]) in NO_WEIGHTS and not initial.get("pretraining"):
        # Without torch: most methods end here.
        io.write_tensors(weights, {})
        io.write_text(history, "epoch\n")
        return
    _learn(stage, method, config, weights, history)


def _learn(
    stage: Stage, method: str, config: Mapping[str, Any], weights: Path, history: Path
) -> None:
    import pandas as pd
    import torch

    from textbcs.models.common.contrastive import encoder_weights
    from textbcs.models.common.device import open_device
    from textbcs.pretraining.contrastive import ContrastiveRun
    from textbcs.training import checkpoint
    from textbcs.training.data import read_learning_splits

    pretraining = config["initial"].get("pretraining") or {}
    settings = {**stage.params["training"], **pretraining}
    channels = int(stage.params["slices"]["channels"])
    device = open_device(stage, settings["device"])
    train, val = read_learning_splits(stage, device, settings)
    published = _published(config, channels, train)
    if not pretraining:
        checkpoint.write_weights(weights, published)
        io.write_text(history, "epoch\n")
        return
    if min(len(train), len(val)) < 2:
        raise InputError("pretraining: fewer than two slices in train or val; enlarge the cohort")
    stage.seed = int(settings["seed"])
    torch.manual_seed(stage.seed)
    model = _model(method, config["network"], settings, channels, train)
    start = {name: value for name, value in published.items() if name.startswith("encoder.")}
    model.load_state_dict({**model.state_dict(), **start})
    folder = checkpoint.resume_folder(
        stage.params, stage.input_hashes(), stage="pretrain", method=method
    )
    run = ContrastiveRun(model, settings, train, val, channels, stage.seed)
    run.fit(stage, folder)
    checkpoint.write_weights(weights, {**published, **encoder_weights(run.best_weights)})
    io.write_csv(history, pd.DataFrame(run.history))
    checkpoint.discard(folder)


def _model(
    method: str,
    network: Mapping[str, Any],
    settings: Mapping[str, Any],
    channels: int,
    train: Split,
) -> Pretraining:
    """The method's pre-training model with fresh weights.

    Raises:
        InputError: it has none.
    """
    from textbcs.models.common import registry

    package = registry.package(network["model"])
    if not hasattr(package, "Contrastive"):
        raise InputError(
            f"methods.{method}.initial.pretraining: this method has no pre-training; write {{}}"
        )
    model: Pretraining = package.Contrastive(
        network,
        settings,
        channels=channels,
        image_size=train.size,
        text_dim=train.prompts.dimension,
    )
    return model


def _published(config: Mapping[str, Any], channels: int, train: Split) -> dict[str, Tensor]:
    """Published weights of the method's network, by its own names, or {}."""
    path = str(config["initial"]["weights"])
    if path in NO_WEIGHTS:
        return {}
    from textbcs.models.common import registry
    from textbcs.pretraining.published import published_initial_weights

    network = registry.build(
        config["network"],
        channels=channels,
        image_size=train.size,
        text_dim=train.prompts.dimension,
    )
    found: dict[str, Tensor] = published_initial_weights(
        config["network"], network, path, str(config["initial"].get("sha256", ""))
    )
    return found
