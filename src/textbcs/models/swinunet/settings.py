"""Settings of Swin-UNet in `params.yaml`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from textbcs.models.common.settings import (
    DiceAndCrossEntropy,
    FourStages,
    Heads,
    Width,
    uneven_heads,
)
from textbcs.settings.ranges import Count, Share

# As in network.py: pixels a token, what the padded side is a multiple of, and its least.
_TOKEN, _MULTIPLE, _LEAST = 4, 32, 64


class Network(TypedDict):
    """Windows of attention, shifted in every second block."""

    model: Literal["swinunet"]
    width: Width
    depths: FourStages
    heads: Heads
    window: Annotated[Count | None, "tokens a side; null: padded side / 32"]
    stochastic_depth: Share


Loss = DiceAndCrossEntropy


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    yield from uneven_heads(network["heads"], network["width"])
    window = network["window"]
    if window is None:
        return
    padded = max(_LEAST, -(-size // _MULTIPLE) * _MULTIPLE)
    sides = [padded // _TOKEN // 2**stage for stage in range(4)]
    if window < 2 or any(side > window and side % window for side in sides):
        grids = ", ".join(map(str, sides))
        yield f"window = {window}: allowed: null, or 2 and more and a divisor of {grids}"
