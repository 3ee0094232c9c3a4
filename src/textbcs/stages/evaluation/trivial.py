"""Stage `trivial`: rows that no network made: an empty mask, and the mean mask of the prompt's side and size.

The second is what the text alone buys: it knows the words and where lesions of such a prompt lay in
the train split, and never sees the image that it segments. Reads the slices and prompts of train and
test; writes, like `predict`, maps to `results/predictions/{empty,prior}-s0/`, and `prior.json` with what was
learned from train.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import InputError, write_json, write_tensors
from textbcs.dataset.prompt_grammar import mirror, parse
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import read_slices
from textbcs.evaluation.leak.prompt_prior import Prior, learn
from textbcs.prediction.encoding import exact_maps, maps_of
from textbcs.prediction.files import folder_of
from textbcs.prediction.maps import Prediction

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

Class = tuple[str, str]  # a prompt's location and size


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
    prior = learn(train.masks, [chain_of(one) for one in classes])
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


def chain_of(wanted: Class) -> list[Class]:
    """What the prior looks up: side and size, the side alone where train has no such size, everything."""
    return [wanted, (wanted[0], ""), ("", "")]


def predicted(prior: Prior, texts: Sequence[str]) -> Prediction:
    """The prior's masks for n prompts, as probabilities 0 and 1."""
    masks = [prior.mask(chain_of(class_of(text))) for text in texts]
    return Prediction(np.stack(masks).astype(np.float32), None)


def _write(stage: "Stage", row: str, true: Prediction, swapped: Prediction | None) -> None:
    """Write the maps of a row as `predict` writes those of a network."""
    folder = folder_of(row, 0)
    write_tensors(stage.output(folder / "maps.safetensors"), maps_of(true, swapped))
    write_tensors(stage.output(folder / "probability.safetensors"), exact_maps(true, swapped))
