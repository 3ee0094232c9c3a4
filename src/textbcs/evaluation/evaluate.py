"""Predict and score one trained method on the test split.

Reads the weights, the test slices, their prompts and the probe embeddings; writes a row per test
slice (`results/evaluation/<method>-s<seed>/slices.csv`) and the maps behind it
(`predictions.safetensors`). Nothing here selects or fits anything.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.device import open_device
from textbcs.evaluation import metrics
from textbcs.io import records, write_csv, write_tensors
from textbcs.models.variants import configuration
from textbcs.prompts.grammar import mirror
from textbcs.prompts.table import read_prompts
from textbcs.slices.resize import SquareGrid
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.models.contract import Segmenter
    from textbcs.models.prompttable import PromptTable
    from textbcs.receipt import Stage

_BATCH = 32


@dataclass
class Prediction:
    """A method's maps on n slices, float32 (n, H, W).

    Attributes:
        probability: of the foreground.
        vacuity: in (0, 1], or None for a head without evidence.
    """

    probability: NDArray[np.float32]
    vacuity: NDArray[np.float32] | None


def evaluate(stage: "Stage", method: str, seed: str) -> None:
    """Score `method` trained with `seed` on every test slice."""
    shard = read_slices(stage, "test")
    prompts = read_prompts(stage.input("data/prompts/test.csv"))
    texts = prompts.set_index("slice_id").loc[shard.table["slice_id"], "text"].tolist()
    stage.seed = int(seed)
    model, table = _load(stage, method, seed)
    true = predict(stage, model, table, shard, texts)
    swapped = None
    if model.reads_text:
        swapped = predict(stage, model, table, shard, [mirror(text) for text in texts])
    threshold = stage.params["evaluation"]["threshold"]
    folder = f"results/evaluation/{method}-s{seed}"
    write_csv(stage.output(f"{folder}/slices.csv"), score(shard, true, swapped, threshold))
    write_tensors(stage.output(f"{folder}/predictions.safetensors"), _maps(true, swapped))


def _load(stage: "Stage", method: str, seed: str) -> "tuple[Segmenter, PromptTable]":
    """The trained network and the probe prompts' embeddings, on the device of the parameters."""
    from textbcs.models.prompttable import PromptTable
    from textbcs.models.registry import build, read_weights

    device = open_device(stage, stage.params["training"]["device"])
    table = PromptTable.read(
        stage.input("data/text/probe.csv"), stage.input("data/text/probe.safetensors"), device
    )
    model = build(
        configuration(stage.params, method)["network"],
        channels=stage.params["slices"]["channels"],
        image_size=stage.params["slices"]["size"],
        text_dim=table.dimension,
    )
    read_weights(model, stage.input(f"results/runs/{method}-s{seed}/model.safetensors"))
    return model.to(device), table


def predict(
    stage: "Stage", model: "Segmenter", table: "PromptTable", shard: Shard, texts: list[str]
) -> Prediction:
    """Foreground probability and vacuity of each slice under the given prompts.

    Args:
        stage: gives the parameters and the progress bar.
        model: the trained network.
        table: embeddings that hold every text, on the network's device.
        shard: n slices.
        texts: n prompts.
    """
    import torch

    from textbcs.models.inference import infer
    from textbcs.models.textbcs.evidential import uncertainty

    outputs = infer(
        model,
        torch.from_numpy(shard.images).to(table.tokens.device),
        table,
        table.rows(texts),
        channels=stage.params["slices"]["channels"],
        batch_size=_BATCH,
    )
    probability, vacuity = [], []
    for output in stage.progress(outputs, total=-(-len(texts) // _BATCH), desc="predict"):
        probability.append(output.probability.cpu().numpy())
        if output.evidence is not None:
            vacuity.append(uncertainty(output.evidence).vacuity.cpu().numpy())
    return Prediction(np.concatenate(probability), np.concatenate(vacuity) if vacuity else None)


def score(
    shard: Shard, true: Prediction, swapped: Prediction | None, threshold: float
) -> "pd.DataFrame":
    """One row of metrics per slice.

    Columns: the slice's identity; its four pixel counts; `dice` and `iou` of the foreground;
    `dice_two_class` and `iou_two_class` with background; `dice_native` on the DICOM grid;
    `predicted_side` and, with the side exchanged in the prompt, `dice_swapped` and
    `predicted_side_swapped` (empty for methods that read no text).
    """
    import pandas as pd

    rows = []
    for index, facts in enumerate(records(shard.table)):
        found = true.probability[index] > threshold
        counts = metrics.count(found, shard.masks[index])
        behind = metrics.background(counts)
        row = {name: facts[name] for name in ("slice_id", "patient", "kind", "side", "mask_source")}
        row |= vars(counts)
        row |= {
            "dice": metrics.dice(counts),
            "iou": metrics.iou(counts),
            "dice_two_class": metrics.two_class(metrics.dice(counts), metrics.dice(behind)),
            "iou_two_class": metrics.two_class(metrics.iou(counts), metrics.iou(behind)),
            "dice_native": _native_dice(
                true.probability[index], facts, shard.native_masks[facts["slice_id"]], threshold
            ),
            "predicted_side": _predicted_side(
                true.probability[index], threshold, facts["midline_col"]
            ),
            "dice_swapped": float("nan"),
            "predicted_side_swapped": "",
        }
        if swapped is not None:
            other = swapped.probability[index]
            row["dice_swapped"] = metrics.dice(metrics.count(other > threshold, shard.masks[index]))
            row["predicted_side_swapped"] = _predicted_side(other, threshold, facts["midline_col"])
        rows.append(row)
    return pd.DataFrame(rows)


def _native_dice(
    probability: NDArray[np.float32],
    facts: dict[str, Any],
    native: NDArray[np.bool_],
    threshold: float,
) -> float:
    grid = SquareGrid(
        (facts["native_rows"], facts["native_cols"]),
        (facts["native_spacing_row_mm"], facts["native_spacing_col_mm"]),
        probability.shape[0],
    )
    return metrics.dice(metrics.count(grid.to_native(probability) > threshold, native))


def _predicted_side(probability: NDArray[np.float32], threshold: float, midline: float) -> str:
    """The side of the patient's midline with more predicted foreground; empty where there is none.

    The patient's left is at larger columns (LPS).
    """
    columns = (probability > threshold).sum(axis=0)
    is_left = np.arange(len(columns)) > midline
    left, right = int(columns[is_left].sum()), int(columns[~is_left].sum())
    if left == right:
        return ""
    return "left" if left > right else "right"


def _maps(true: Prediction, swapped: Prediction | None) -> dict[str, NDArray[np.float16]]:
    maps = {"probability": true.probability.astype(np.float16)}
    if true.vacuity is not None:
        maps["vacuity"] = true.vacuity.astype(np.float16)
    if swapped is not None:
        maps["probability_swapped"] = swapped.probability.astype(np.float16)
    return maps
