"""What a network answers when a few slices of a case are asked with several prompts.

Few slices, because every prompt costs a pass: those on which a first pass without text is surest that it has
found something, of either side the same number, so that the side where it missed the lesion is looked at too.
Which they are does not depend on what is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from textbcs.prompt_check.peaks import columns_of_left, peak
from textbcs.volumes.prediction import BATCH

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable

SLICES = 2  # that are looked at of either side


@dataclass(frozen=True)
class Answer:
    """A network's answer to one prompt on k slices.

    Attributes:
        probability: (k, S, S) float32, of the foreground.
        similarity: (stages, k, h, h) float32: how alike each token of the image and the prompt are at
            each stage of the interaction, over the stage's temperature (TextBCS eq. 6); no stage for a
            network that has no such measure.
    """

    probability: NDArray[np.float32]
    similarity: NDArray[np.float32]


def slices_to_look_at(
    first: NDArray[np.uint8], midline_column: float, voxels: int
) -> NDArray[np.intp]:
    """The slices on which a first pass is surest of something left, and right, of the midline; ascending.

    Args:
        first: (z, S, S), coded foreground probability of the first pass.
        midline_column: what divides left and right.
        voxels: how many of a slice's surest voxels count on either side.

    Returns:
        At most twice `SLICES`; of equally sure slices the lower ones.
    """
    size = first.shape[-1]
    left = columns_of_left(size, size, midline_column)
    found: set[int] = set()
    for side in (left, ~left):
        sure = np.array([peak(plane[:, side] / np.float64(256), voxels) for plane in first])
        found |= {int(z) for z in np.argsort(-sure, kind="stable")[:SLICES]}
    return np.array(sorted(found), dtype=np.intp)


def ask(
    model: "Segmenter",
    table: "PromptTable",
    image: NDArray[np.float16],
    texts: Sequence[str],
    channels: int,
) -> dict[str, Answer]:
    """What the network answers to each distinct text; image and text are compared on the way.

    What else is asked at once may move last bits.

    Args:
        model: reads text.
        table: embeddings that hold every text, on the network's device.
        image: (k, S, S) in [0, 1].
        texts: prompts, "" for none.
        channels: of the image that the network takes.
    """
    import torch

    from textbcs.models.common.inference import infer

    distinct = list(dict.fromkeys(texts))
    images = torch.from_numpy(np.tile(image, (len(distinct), 1, 1))).to(table.tokens.device)
    rows = table.rows([text for text in distinct for _ in image])
    switch = cast(Any, model)  # networks with an interaction have it
    compares = hasattr(model, "aligns")
    try:
        if compares:
            switch.aligns = True
        # A few slices at a time cost half as much again as many: all prompts share the batches.
        outputs = list(infer(model, images, table, rows, channels=channels, batch_size=BATCH))
    finally:
        if compares:
            switch.aligns = False
    probability = np.concatenate([output.probability.cpu().numpy() for output in outputs])
    stages = zip(*(output.alignment for output in outputs), strict=True)
    alike = [np.concatenate([part.cpu().numpy() for part in stage]) for stage in stages]
    similarity = np.stack(alike) if alike else np.zeros((0, len(images), 1, 1), np.float32)
    parts = [slice(place * len(image), (place + 1) * len(image)) for place in range(len(distinct))]
    return {
        text: Answer(probability[part], similarity[:, part])
        for text, part in zip(distinct, parts, strict=True)
    }
