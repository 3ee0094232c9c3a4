"""Settings of TransUNet in `params.yaml`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from textbcs.models.common.settings import DiceAndCrossEntropy, Heads, ThreeStages, uneven_heads
from textbcs.settings.ranges import AtLeast, Count, MultipleOf, Share

TOKEN = 12  # times the width: the width of a token


class Network(TypedDict):
    """A ResNet, a transformer on its tokens, and a decoder with skip connections."""

    model: Literal["transunet"]
    width: Annotated[int, AtLeast(4), MultipleOf(4), "channels of the ResNet's first stage"]
    units: ThreeStages
    layers: Annotated[Count, "of the transformer"]
    heads: Heads
    dropout: Share


Loss = DiceAndCrossEntropy


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    yield from uneven_heads(network["heads"], TOKEN * network["width"], f"{TOKEN} * width")
