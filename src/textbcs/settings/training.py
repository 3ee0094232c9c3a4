"""The section `training` of `params.yaml`, and what else sets up an optimiser."""

from typing import Annotated, Literal, NotRequired, TypedDict

from textbcs.settings.ranges import (
    Above,
    AtLeast,
    AtMost,
    Below,
    Count,
    Distinct,
    Items,
    Matching,
    NotNegative,
    Positive,
    Seed,
    Share,
)

Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Annotated[
    Literal["plateau", "cosine", "restarts", "poly", "onecycle", "constant"],
    "of the learning rate",
]


class Asked(TypedDict):
    """Shares of the training slices that are asked with something else than their own prompt."""

    case: Annotated[Share, "the prompt of the whole case"]
    empty: Share
    wrong: Annotated[Share, "a word or more exchanged"]
    reworded: Annotated[Share, "another wording"]


class Training(TypedDict):
    """How networks are trained; a method and a variant may override it key by key."""

    device: Annotated[Literal["cpu", "cuda"], "never detected, since it changes bytes"]
    precision: Annotated[Literal["float32", "bfloat16"], "bfloat16: autocast"]
    channels_last: Annotated[bool, "the memory layout"]
    compile: Annotated[bool, "torch.compile"]
    epochs: Annotated[Count, "at most"]
    optimizer: Optimizer
    weight_decay: NotNegative
    momentum: Annotated[float, AtLeast(0), Below(1), "sgd only"]
    nesterov: Annotated[bool, "sgd only"]
    schedule: Schedule
    foreground_prior: Annotated[
        Annotated[float, Above(0), AtMost(0.5)] | None,
        "first foreground probability of every head; null: as published",
    ]
    plateau_factor: Annotated[float, Above(0), Below(1), "plateau only"]
    plateau_patience: Annotated[int, AtLeast(0), "plateau only; epochs"]
    restart_epochs: Annotated[Count, "restarts only"]
    restart_minimum: Annotated[NotNegative, "restarts only"]
    poly_power: Annotated[Positive, "poly only"]
    early_stop_patience: Annotated[Count, "epochs without a better validation Dice"]
    gradient_clip: Annotated[NotNegative, "0 switches it off"]
    threshold: Annotated[float, Above(0), Below(1), "foreground where the probability exceeds this"]
    augmentation: Annotated[
        Literal["standard", "nnunet"], "the three below, or the flip and nnU-Net's intensities"
    ]
    flip_probability: Annotated[Share, "a flip swaps left and right in the prompt"]
    intensity_gain: Annotated[Share, "image * U(1 - g, 1 + g)"]
    intensity_shift: Annotated[float, AtLeast(0), Below(1), "image + U(-s, s)"]
    fraction: Annotated[float, Above(0), AtMost(1), "of the training patients"]
    fraction_seed: Annotated[Seed, "draws those patients"]
    tumour_free: Annotated[Share, "of the slices of a batch"]
    asked: Asked


class Pretraining(TypedDict):
    """Contrastive pre-training on image and prompt, as far as all methods share it."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    optimizer: Optimizer
    weight_decay: NotNegative
    schedule: Schedule
    seed: Annotated[Seed, "draws the first weights and the batches"]


class Initial(TypedDict):
    """Where a method's first weights come from; a method that pre-trains adds `pretraining`."""

    weights: Annotated[str, "none, or a local file of published weights"]
    sha256: NotRequired[
        Annotated[str, Matching("([0-9a-f]{64})?"), "of that file; empty: not stated"]
    ]


class NoSettings(TypedDict):
    """A loss without settings."""


Grid = Annotated[
    list[tuple[Positive, Count]], Items(1), Distinct(), "pairs of learning rate and batch size"
]


class Search(TypedDict):
    """How a point of a method's `grid` is tried."""

    epochs: Annotated[Count, "the same for every method"]
    seed: Seed
