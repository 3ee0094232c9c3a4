"""A trained network's maps on the slices of a split."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.variants import configuration
from textbcs.dataset.slice_store import Shard
from textbcs.models.common.device import open_device
from textbcs.prediction.dirichlet import ensemble
from textbcs.prediction.maps import Prediction, log_odds

if TYPE_CHECKING:
    import torch

    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.stage.receipt import Stage

_BATCH = 32


def load(stage: "Stage", method: str, seed: str, prompts: str) -> "tuple[Segmenter, PromptTable]":
    """The trained network and its prompts' embeddings, on the device of the parameters.

    Args:
        stage: reads the files; its parameters hold the `network`.
        method: name of the method or of the variant.
        seed: it was trained with.
        prompts: `learn` (train and val), `probe` (test) or `styles` (what else a test asks).
    """
    from textbcs.models.common.registry import build, read_weights

    device = open_device(stage, stage.params["training"]["device"])
    table = prompts_of(stage, prompts, device)
    model = build(
        configuration(stage.params, method)["network"],
        channels=stage.params["slices"]["channels"],
        image_size=stage.params["slices"]["size"],
        text_dim=table.dimension,
    )
    read_weights(model, stage.input(f"results/runs/{method}-s{seed}/model.safetensors"))
    return model.to(device), table


def prompts_of(stage: "Stage", name: str, device: "torch.device") -> "PromptTable":
    """The embedded prompts `learn` (train and val), `probe` (test) or `styles` on a device."""
    from textbcs.models.common.prompt_embeddings import PromptTable

    return PromptTable.read(
        stage.input(f"data/text/{name}/prompts.csv"),
        stage.input(f"data/text/{name}/embeddings.safetensors"),
        device,
    )


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

    from textbcs.models.common.inference import infer

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


def sample(
    stage: "Stage", model: "Segmenter", table: "PromptTable", shard: Shard, texts: list[str]
) -> dict[str, NDArray[np.float16]]:
    """What several passes with dropout say of each slice (MC-dropout, Gal and Ghahramani 2016).

    The passes are made for one batch after the other, so that a large test split fits in memory, and
    drawn from one seed; the parameters hold both (`evaluation.calibration`).

    Returns:
        `sampled_log_odds` of the mean probability and `sampled_mutual_information` in nats, (n, H, W)
        each. The mean's entropy less the second is the expected entropy.
    """
    import torch

    from textbcs.models.common.inference import infer

    rules = stage.params["evaluation"]["calibration"]
    images = torch.from_numpy(shard.images).to(table.tokens.device)
    rows = table.rows(texts)
    torch.manual_seed(int(rules["dropout_seed"]))
    odds, information = [], []
    for start in stage.progress(range(0, len(texts), _BATCH), desc="passes"):
        part = slice(start, start + _BATCH)
        passes = []
        for _ in range(int(rules["dropout_passes"])):
            outputs = infer(
                model,
                images[part],
                table,
                rows[part],
                channels=stage.params["slices"]["channels"],
                batch_size=_BATCH,
                dropout=True,
            )
            passes += [output.probability.cpu().numpy() for output in outputs]
        odds.append(log_odds(np.mean(passes, axis=0, dtype=np.float64)).astype(np.float16))
        information.append(ensemble(passes)["mutual_information"].astype(np.float16))
    return {
        "sampled_log_odds": np.concatenate(odds),
        "sampled_mutual_information": np.concatenate(information),
    }
