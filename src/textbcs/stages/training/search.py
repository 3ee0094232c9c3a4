"""The stage `search`: a method's grid of learning rate and batch size, judged on validation only.

Each point is trained for `search.epochs` epochs as the training proper would train it, with one
seed; the point with the highest validation Dice is chosen, the first of equals. A grid of one point
needs no training. Reads the train and val splits and the method's initial weights; nothing of the
test split. Writes `results/search/<method>/choice.json`, which the training reads, and `grid.csv`,
one row a point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base import io

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: Stage, method: str) -> None:
    """Choose the learning rate and batch size of one method.

    Params read: `search`, `training`, `slices.channels`, `methods.<method>`.
    """
    import pandas as pd

    points = [
        {"learning_rate": float(rate), "batch_size": int(batch)}
        for rate, batch in stage.params["methods"][method]["grid"]
    ]
    rows = points if len(points) == 1 else _trained(stage, method, points)
    folder = f"results/search/{method}"
    chosen = {"method": method, "points": len(rows), **best(rows)}
    io.write_json(stage.output(f"{folder}/choice.json"), chosen)
    io.write_csv(stage.output(f"{folder}/grid.csv"), pd.DataFrame(rows))


def best(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row with the highest `validation_dice`, the first of equals; a lone row is the best."""
    return max(rows, key=lambda row: float(row.get("validation_dice", 0.0)))


def _trained(
    stage: Stage, method: str, points: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Each point with its validation Dice and the epoch that reached it."""
    from textbcs.training import checkpoint
    from textbcs.training.setup import set_up

    settings = stage.params["search"]
    stage.seed = int(settings["seed"])
    setup = set_up(stage, method)
    rows = []
    for place, point in enumerate(points):
        run = setup.run(stage.seed, **point, epochs=settings["epochs"])
        folder = checkpoint.resume_folder(
            stage.params, stage.input_hashes(), method=method, seed=stage.seed, point=place
        )
        run.fit(stage, folder)
        rows.append({**point, "validation_dice": run.best_score, "best_epoch": run.best_epoch})
        stage.log(
            f"learning rate {point['learning_rate']:g}, batch size {point['batch_size']}: "
            f"validation Dice {run.best_score:.4f}"
        )
    for place in range(len(points)):
        checkpoint.discard(
            checkpoint.resume_folder(
                stage.params, stage.input_hashes(), method=method, seed=stage.seed, point=place
            )
        )
    return rows
