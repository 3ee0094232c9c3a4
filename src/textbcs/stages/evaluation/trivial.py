"""Stage `trivial`: rows that no network made: an empty mask, and the mean mask of the prompt's side and size.

The second is what the text alone buys: it knows the words and where lesions of such a prompt lay in
the train split, and never sees the image that it segments. Reads the slices and prompts of train and
test; writes, like `predict`, maps to `results/predictions/{empty,prior}-s0/`, and `prior.json` with what was
learned from train.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, write_json, write_tensors
from textbcs.dataset.prompt_grammar import mirror, parse
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import read_slices
from textbcs.prediction.encoding import exact_maps, maps_of
from textbcs.prediction.files import folder_of
from textbcs.prediction.maps import Prediction

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

Class = tuple[str, str]  # a prompt's location and size
STEPS = 100  # thresholds 0, 0.01, ..., 0.99 are tried


@dataclass(frozen=True)
class Prior:
    """Where lesions lay in the train split.

    Attributes:
        means: (H, W) float64 in [0, 1], the share of a class's slices whose mask covers the pixel;
            the class (side, "") holds all sizes and ("", "") everything.
        threshold: a pixel is foreground where the share is greater.
        dice: mean Dice of the train slices at that threshold.
    """

    means: Mapping[Class, NDArray[np.float64]]
    threshold: float
    dice: float

    def mask(self, wanted: Class) -> NDArray[np.bool_]:
        """The mask (H, W) of a prompt class; of its side where train has no such size, else of all."""
        side, _ = wanted
        known = next(key for key in (wanted, (side, ""), ("", "")) if key in self.means)
        return np.asarray(self.means[known] > self.threshold)


def run(stage: "Stage") -> None:
    """Predict both rows on every test slice.

    Raises:
        InputError: an input is missing or damaged, a slice without a prompt, or an empty train split.
    """
    train, test = (read_slices(stage, split) for split in ("train", "test"))
    train_texts, texts = (
        texts_of(stage.input(f"data/prompts/{name}.csv"), shard.table["slice_id"])
        for name, shard in (("train", train), ("test", test))
    )
    if not len(train.masks):
        raise InputError(
            "data/slices/train: holds no slice; enlarge the cohort or change the split"
        )
    classes = [class_of(text) for text in train_texts]
    prior = learn(train.masks, classes)
    stage.log(f"prior: threshold {prior.threshold:.2f}, Dice on train {prior.dice:.3f}")
    nothing = Prediction(np.zeros(test.masks.shape, np.float32), None)
    _write(stage, "empty", nothing, None)
    swapped = None
    if test.table["side"].notna().any():  # no side can be wrong without sides
        swapped = predicted(prior, [mirror(text) for text in texts])
    _write(stage, "prior", predicted(prior, texts), swapped)
    slices = {" ".join(key): count for key, count in sorted(Counter(classes).items())}
    facts = {"threshold": prior.threshold, "train_dice": prior.dice, "train_slices": slices}
    write_json(stage.output("results/predictions/prior-s0/prior.json"), facts)


def class_of(text: str) -> Class:
    """A prompt's location and size."""
    prompt = parse(text)
    return prompt.location, prompt.size


def learn(masks: NDArray[np.uint8], classes: Sequence[Class]) -> Prior:
    """Average the masks of each class, and find the one threshold with the best mean Dice.

    Args:
        masks: (n, H, W), 0 or 1, n > 0.
        classes: n prompt classes.

    Returns:
        The prior; of thresholds with equal Dice the lowest.
    """
    rows: dict[Class, list[int]] = {}
    for row, (side, size) in enumerate(classes):
        for key in ((side, size), (side, ""), ("", "")):
            rows.setdefault(key, []).append(row)
    means = {key: masks[members].mean(axis=0, dtype=np.float64) for key, members in rows.items()}
    thresholds = np.arange(STEPS) / STEPS
    total = np.zeros(STEPS)
    for key in sorted(set(classes)):
        total += _dice_sums(masks[rows[key]], means[key], thresholds)
    best = int(total.argmax())
    return Prior(means, float(thresholds[best]), float(total[best]) / len(classes))


def _dice_sums(
    masks: NDArray[np.uint8], mean: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of the Dice of masks (n, H, W) and a mean mask (H, W) cut at each of k thresholds: (k,)."""
    cut = (mean.reshape(-1, 1) > thresholds).astype(np.float32)
    there = masks.reshape(len(masks), -1).astype(np.float32)
    overlap = (there @ cut).astype(np.float64)
    size = there.sum(axis=1, dtype=np.float64)[:, None] + cut.sum(axis=0, dtype=np.float64)
    return np.asarray((2 * overlap / np.maximum(size, 1)).sum(axis=0))


def predicted(prior: Prior, texts: Sequence[str]) -> Prediction:
    """The prior's masks for n prompts, as probabilities 0 and 1."""
    return Prediction(
        np.stack([prior.mask(class_of(text)) for text in texts]).astype(np.float32), None
    )


def _write(stage: "Stage", row: str, true: Prediction, swapped: Prediction | None) -> None:
    """Write the maps of a row as `predict` writes those of a network."""
    folder = folder_of(row, 0)
    write_tensors(stage.output(folder / "maps.safetensors"), maps_of(true, swapped))
    write_tensors(stage.output(folder / "probability.safetensors"), exact_maps(true, swapped))
