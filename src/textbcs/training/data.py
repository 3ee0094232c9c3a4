"""A whole split on the device: slices, masks, prompts and their mirror images.

A method for use learns from more: tumour-free slices, and prompts of whole cases, wrong and empty ones.

3,876 slices of 224 x 224 px take under 600 MB, so no loader and no worker stands between the
loop and its data.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from textbcs.base.io import InputError, read_csv
from textbcs.dataset.prompt_grammar import VOCABULARY, mirror, parse
from textbcs.dataset.slice_store import FREE, read_slices
from textbcs.models.common.contract import Batch
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.training.grammar_rows import GrammarRows

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

UNKNOWN = -1
MOST = 2  # three and more lesions are one class: most collections have too few of each


@dataclass(frozen=True)
class Split:
    """One split, on one device.

    Attributes:
        slice_ids: names of the slices, in order.
        image: (n, H, W) float16 in [0, 1].
        mask: (n, H, W) uint8, 0 or 1.
        prompt: (n,) int64, each slice's row in `prompts`.
        mirrored: (n,) int64, the row of the prompt with left and right swapped.
        prompts: the embedded prompts.
        attributes: (P, 4) int64, the words of each row of `prompts`, as `Batch` has them.
        wordings: (P, K) int64, for each row of `prompts` the rows that say the same, itself among
            them; None where every prompt has one wording.
        others: what a method for use is asked besides; `image`, `mask`, `prompt` and `mirrored` then have
            tumour-free slices after the n. None for all other methods.
    """

    slice_ids: tuple[str, ...]
    image: Tensor
    mask: Tensor
    prompt: Tensor
    mirrored: Tensor
    prompts: PromptTable
    attributes: Tensor
    wordings: Tensor | None = None
    others: "Others | None" = None

    def __len__(self) -> int:
        return len(self.slice_ids)

    @property
    def size(self) -> int:
        """Side of the slices in pixels."""
        return int(self.image.shape[-1])


@dataclass(frozen=True)
class Others:
    """What a method for use learns from beside its slices and their own prompts.

    Attributes:
        case: (n + free,) int64, the row of the prompt of each slice's whole case.
        free: how many tumour-free slices there are.
        grammar: the rows of all prompts.
    """

    case: Tensor
    free: int
    grammar: GrammarRows


def read_split(
    stage: "Stage",
    name: str,
    table: PromptTable,
    device: torch.device,
    fraction: float = 1.0,
    seed: int = 0,
) -> Split:
    """Read a split as inputs of a stage and join its prompts by slice.

    Args:
        stage: the stage that reads.
        name: of the split.
        table: embeddings of its prompts and of their mirror images.
        device: where everything is put.
        fraction: of its patients that are kept, in (0, 1], as `kept_patients` says.
        seed: draws them.

    Raises:
        InputError: a file is missing or damaged, no slice, a slice without a prompt, or a prompt
            without an embedding.
    """
    shard = read_slices(stage, name)
    if not len(shard.table):
        raise InputError(
            f"data/slices/{name}: holds no slice; enlarge the cohort or change the split"
        )
    kept = kept_patients(shard.table["patient"], fraction, seed)
    places = np.flatnonzero(shard.table["patient"].isin(kept))
    slice_ids = [str(slice_id) for slice_id in shard.table["slice_id"].iloc[places]]
    texts = _texts(stage.input(f"data/prompts/{name}.csv"), slice_ids)
    return Split(
        slice_ids=tuple(slice_ids),
        image=torch.from_numpy(shard.images[places]).to(device),
        mask=torch.from_numpy(shard.masks[places]).to(device),
        prompt=table.rows(texts),
        mirrored=table.rows([mirror(text) for text in texts]),
        prompts=table,
        attributes=torch.tensor([attributes(text) for text in table.meanings], device=device),
        wordings=wordings(table),
    )


def _texts(path: Path, slice_ids: list[str]) -> list[str]:
    """The prompt of each slice, in the slices' order; the stage `prompts` has checked what they say."""
    written = read_csv(path, required=("slice_id", "text"), dtype={"slice_id": str, "text": str})
    text_of = dict(zip(written["slice_id"], written["text"], strict=True))
    missing = [slice_id for slice_id in slice_ids if slice_id not in text_of]
    if missing:
        raise InputError(f"{path}: slice {missing[0]} has no prompt; run the stage prompts again")
    return [text_of[slice_id] for slice_id in slice_ids]


def kept_patients(patients: Iterable[str], fraction: float, seed: int) -> list[str]:
    """A share of the patients, drawn by a seed: at least one, and all those of any smaller share.

    Patients and not slices, because a patient's slices say much the same.

    Args:
        patients: a name per slice.
        fraction: in (0, 1]; the number is rounded up.
        seed: of the order in which they are taken.
    """
    names = sorted(set(patients))
    order = np.random.default_rng(seed).permutation(len(names))
    count = math.ceil(round(fraction * len(names), 6))  # 0.1 * 110 is a little above 11
    return [names[place] for place in order[:count]]


def wordings(table: PromptTable) -> Tensor | None:
    """The rows of `table` that say the same as each row, (P, K) int64; None where none has another.

    A row with fewer wordings than others repeats its own in turn.
    """
    if table.meanings == table.texts:
        return None
    same: dict[str, list[int]] = {}
    for row, meaning in enumerate(table.meanings):
        same.setdefault(meaning, []).append(row)
    most = max(len(rows) for rows in same.values())
    filled = {meaning: (rows * most)[:most] for meaning, rows in same.items()}
    rows = [filled[meaning] for meaning in table.meanings]
    return torch.tensor(rows, device=table.tokens.device)


def read_learning_splits(
    stage: "Stage", device: torch.device, settings: Mapping[str, Any]
) -> tuple[Split, Split]:
    """The train and the val split as inputs of a stage.

    Args:
        stage: the stage that reads.
        device: where everything is put.
        settings: of the training: `fraction` and `fraction_seed`, which the train split alone obeys;
            `tumour_free` and `asked` say whether more is read.

    Raises:
        InputError: as `read_split`.
    """
    more = settings["tumour_free"] > 0 or any(settings["asked"].values())
    folder = f"data/text/{'grammar' if more else 'learn'}"
    table = PromptTable.read(
        stage.input(f"{folder}/prompts.csv"),
        stage.input(f"{folder}/embeddings.safetensors"),
        device,
    )
    fraction, seed = float(settings["fraction"]), int(settings["fraction_seed"])
    train = read_split(stage, "train", table, device, fraction, seed)
    if more:
        train = with_others(stage, train)
    return train, read_split(stage, "val", table, device)


def with_others(stage: "Stage", train: Split) -> Split:
    """The train split with the tumour-free slices of its patients, and the prompts of their cases.

    Raises:
        InputError: a file is missing or damaged, or a patient has no prompt.
    """
    shard = read_slices(stage, FREE)
    ids = read_csv(stage.input("data/slices/train/slices.csv"), ["slice_id", "patient"])
    patient_of = dict(zip(ids["slice_id"], ids["patient"], strict=True))
    own = [patient_of[slice_id] for slice_id in train.slice_ids]
    places = np.flatnonzero(shard.table["patient"].astype(str).isin(set(own)))
    patients = [*own, *shard.table["patient"].astype(str).iloc[places]]
    path = stage.input("data/prompts/train_patients.csv")
    said = read_csv(path, ["patient", "text"], {"text": str})
    text_of = dict(zip(said["patient"], said["text"], strict=True))
    missing = [patient for patient in patients if patient not in text_of]
    if missing:
        raise InputError(f"{path}: patient {missing[0]} has no prompt; run the stage prompts again")
    table, device = train.prompts, train.image.device
    case = table.rows([text_of[patient] for patient in patients])
    grammar = GrammarRows.of(table)
    free = case[len(own) :]
    return replace(
        train,
        image=torch.cat([train.image, torch.from_numpy(shard.images[places]).to(device)]),
        mask=torch.cat([train.mask, torch.from_numpy(shard.masks[places]).to(device)]),
        prompt=torch.cat([train.prompt, free]),
        mirrored=torch.cat([train.mirrored, grammar.mirrored(free)]),
        others=Others(case, len(places), grammar),
    )


def attributes(text: str) -> list[int]:
    """A prompt's words as `Batch.attributes` numbers them; -1 for what it does not say."""
    if not text:
        return [UNKNOWN] * len(VOCABULARY)
    prompt = parse(text)
    return [
        min(words.index(getattr(prompt, slot)), MOST) if slot in prompt.slots else UNKNOWN
        for slot, words in VOCABULARY.items()
    ]


def batch_of(split: Split, rows: Tensor, channels: int) -> Batch:
    """Gather slices, one phase repeated to `channels`, with their prompts; no augmentation."""
    image = split.image[rows].float()[:, None].expand(-1, channels, -1, -1)
    return joined(split, rows, image, split.mask[rows].float(), split.prompt[rows])


def joined(
    split: Split,
    rows: Tensor,
    image: Tensor,
    mask: Tensor,
    prompt: Tensor,
    wording: Tensor | None = None,
    told: Tensor | None = None,
) -> Batch:
    """A batch of images and masks with all that belongs to its prompts.

    Args:
        split: the slices' split.
        rows: (B,) int64, their places in it.
        image: (B, channels, H, W) float32.
        mask: (B, H, W) float32.
        prompt: (B,) int64, rows in the split's prompt table.
        wording: (B,) int64, rows of the texts that are read in place of the prompts; None: the
            prompts themselves. Slices whose prompts are equal stay equal in `Batch.prompt`.
        told: (B,) bool, whether the prompt says what is true; None: all do.
    """
    text = split.prompts.batch(prompt if wording is None else wording)
    return Batch(image, mask, text, prompt, split.attributes[prompt], rows, told)
