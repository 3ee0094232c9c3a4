"""A trained method's maps on the slices of a split: what every stage of this room starts from.

Reads the weights, the embedded prompts and nothing else; writes nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.device import open_device
from textbcs.models.variants import configuration
from textbcs.slices.store import Shard

if TYPE_CHECKING:
    from textbcs.models.contract import Segmenter
    from textbcs.models.prompttable import PromptTable
    from textbcs.receipt import Stage

_BATCH = 32
_SMALLEST = 1e-7  # a probability in float32 says no more than this


@dataclass
class Prediction:
    """A method's maps on n slices.

    Attributes:
        probability: (n, H, W) float32, of the foreground.
        evidence: (n, 2, H, W) float32 >= 0, or None for a head without.
    """

    probability: NDArray[np.float32]
    evidence: NDArray[np.float32] | None = None


def load(stage: "Stage", method: str, seed: str, prompts: str) -> "tuple[Segmenter, PromptTable]":
    """The trained network and its prompts' embeddings, on the device of the parameters.

    Args:
        stage: reads the files; its parameters hold the `network`.
        method: name of the method or of the variant.
        seed: it was trained with.
        prompts: `learn` (train and val), `probe` (test) or `styles` (what else a test asks).
    """
    from textbcs.models.prompttable import PromptTable
    from textbcs.models.registry import build, read_weights

    device = open_device(stage, stage.params["training"]["device"])
    table = PromptTable.read(
        stage.input(f"data/text/{prompts}.csv"),
        stage.input(f"data/text/{prompts}.safetensors"),
        device,
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
    """Foreground probability and evidence of each slice under the given prompts.

    Args:
        stage: gives the parameters and the progress bar.
        model: the trained network.
        table: embeddings that hold every text, on the network's device.
        shard: n slices.
        texts: n prompts.
    """
    import torch

    from textbcs.models.inference import infer

    outputs = infer(
        model,
        torch.from_numpy(shard.images).to(table.tokens.device),
        table,
        table.rows(texts),
        channels=stage.params["slices"]["channels"],
        batch_size=_BATCH,
    )
    probability, evidence = [], []
    for output in stage.progress(outputs, total=-(-len(texts) // _BATCH), desc="predict"):
        probability.append(output.probability.cpu().numpy())
        if output.evidence is not None:
            evidence.append(output.evidence.cpu().numpy())
    return Prediction(np.concatenate(probability), np.concatenate(evidence) if evidence else None)


def log_odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """ln p / (1 - p) of a foreground probability of any shape, within about -16 and 16.

    A sigmoid's logit, and the difference of a softmax's two. Taken from the probability, so that it
    belongs to what a method predicts, also where that is a mean of several heads.
    """
    p = np.clip(probability.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p))
