"""Settings of MGCA in `params.yaml`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired

from textbcs.models.common.settings import FocalAndDice, VisionTransformer, uneven_head_width
from textbcs.settings import training
from textbcs.settings.ranges import Count


class Network(VisionTransformer):
    """The image tower and a head that doubles its map until it is the image's size."""

    model: Literal["mgca"]
    freeze_encoder: Annotated[bool, "whether the encoder keeps its first weights"]


Loss = FocalAndDice


class Pretraining(training.Pretraining):
    """Whole image against prompt, tokens against words, and prototypes."""

    embedding: Annotated[Count, "width of the shared space"]
    hidden: Annotated[Count, "width of the projections' hidden layer"]
    prototypes: Annotated[Count, "number of clusters"]


class Initial(training.Initial):
    """Own pre-training."""

    pretraining: NotRequired[Pretraining]


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    yield from uneven_head_width(network["head_width"], network["width"])
