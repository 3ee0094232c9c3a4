"""Settings of CLIP in `params.yaml`."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired

from textbcs.models.common.settings import VisionTransformer, uneven_head_width
from textbcs.settings import training


class Network(VisionTransformer):
    """The image tower and a head that doubles its map until it is the image's size."""

    model: Literal["clip"]


class Initial(training.Initial):
    """Published weights, own pre-training, or both."""

    pretraining: NotRequired[training.Pretraining]


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    yield from uneven_head_width(network["head_width"], network["width"])
