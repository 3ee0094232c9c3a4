"""What a network says of every slice of one volume: arrays in, arrays out.

The slices of a volume are batched by themselves, so that one patient alone gives the bytes that she gives
among others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.prediction.maps import Prediction

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable

BATCH = 4  # of 224 x 224 pixels: at most 1 GB with the widest networks, and no slower on a CPU than more


def predict_volume(
    model: "Segmenter",
    table: "PromptTable",
    image: NDArray[np.float16],
    texts: Sequence[str | None],
    channels: int,
    batch: int = BATCH,
) -> Prediction:
    """Foreground probability and evidence of each slice.

    Args:
        model: the trained network.
        table: embeddings that hold every text, on the network's device.
        image: (z, S, S) in [0, 1].
        texts: z prompts; None: the slice is not asked, and nothing is on it.
        channels: of the image that the network takes.
        batch: slices at a time; another number may move last bits.

    Returns:
        z maps; of slices that are not asked the probability is 0, and so is the evidence.

    Raises:
        InputError: a prompt was never embedded.
        ValueError: images and texts differ in number, or there are none.
    """
    import torch

    from textbcs.models.common.inference import infer

    if len(image) != len(texts) or not len(image):
        raise ValueError(f"{len(image)} slices with {len(texts)} prompts")
    asked = [place for place, text in enumerate(texts) if text is not None]
    if not asked:
        return Prediction(np.zeros(image.shape, dtype=np.float32))
    rows = table.rows([text for text in texts if text is not None])
    given = torch.from_numpy(image[asked]).to(table.tokens.device)
    probability, evidence = [], []
    for output in infer(model, given, table, rows, channels=channels, batch_size=batch):
        probability.append(output.probability.cpu().numpy())
        if output.evidence is not None:
            evidence.append(output.evidence.cpu().numpy())
    places = (asked, len(image))
    return Prediction(
        _placed(probability, *places), _placed(evidence, *places) if evidence else None
    )


def _placed(
    found: Sequence[NDArray[np.float32]], places: Sequence[int], slices: int
) -> NDArray[np.float32]:
    """The maps of some slices at their places among all; 0 elsewhere."""
    maps = np.zeros((slices, *found[0].shape[1:]), dtype=np.float32)
    maps[places] = np.concatenate(found)
    return maps


def vacuity(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """C / S in (0, 1], the mass that no evidence claims (TextBCS eq. 11).

    Args:
        evidence: (z, C, H, W) >= 0.

    Returns:
        (z, H, W).
    """
    classes = evidence.shape[1]
    strength = evidence.sum(axis=1, dtype=np.float64) + classes
    return np.asarray(classes / strength, dtype=np.float32)
