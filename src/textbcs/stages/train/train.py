"""The stages `train`, `train_variant` and `train_replicate`: one training with what the search chose.

Reads the slices, prompts and embedded prompts of train and val, the method's initial weights and
`results/search/<method>/choice.json`; nothing of the test split. Writes
`results/runs/<name>-s<seed>/model.safetensors`, the weights with the best validation Dice, and
`history.csv`, one row an epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.base.variants import base_of
from textbcs.training import checkpoint
from textbcs.training.setup import set_up

if TYPE_CHECKING:
    from pathlib import Path

    from textbcs.stage.receipt import Stage


def run(stage: Stage, name: str, seed: int | str) -> None:
    """Train one method, or one variant of the proposed method, with one seed.

    Params read: `training`, `slices.channels`, the method's `network`, `loss` and `training`, and
    for a variant `variants.<name>`.

    Raises:
        InputError: bad input, an absent device, or a loss that is no finite number.
    """
    import pandas as pd

    stage.seed = int(seed)
    setup = set_up(stage, name)
    chosen = choice(stage.input(f"results/search/{base_of(stage.params, name)}/choice.json"))
    run = setup.run(stage.seed, **chosen)
    folder = checkpoint.resume_folder(
        stage.params, stage.input_hashes(), method=name, seed=stage.seed
    )
    run.fit(stage, folder)
    base = f"results/runs/{name}-s{seed}"
    checkpoint.write_weights(stage.output(f"{base}/model.safetensors"), run.best_weights)
    io.write_csv(stage.output(f"{base}/history.csv"), pd.DataFrame(run.history))
    checkpoint.discard(folder)


def choice(path: Path) -> dict[str, Any]:
    """The learning rate and batch size that the search chose.

    Raises:
        InputError: the file is damaged.
    """
    found = io.read_json(path)
    try:
        return {
            "learning_rate": float(found["learning_rate"]),
            "batch_size": int(found["batch_size"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no choice of a search; run the stage search again") from error
