"""Settings, and rules for them, that several networks share. Torch-free, as every method's `settings.py`."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypedDict

from textbcs.settings.ranges import Count, Items, NotNegative

Width = Annotated[Count, "channels of the first stage, or of a token"]
Heads = Annotated[Count, "of attention, a divisor of the width"]
ThreeStages = Annotated[list[Count], Items(3, 3), "blocks of each stage"]
FourStages = Annotated[list[Count], Items(4, 4), "blocks of each stage"]


class VisionTransformer(TypedDict):
    """The image tower of `vit.py`."""

    width: Annotated[Count, "of a token"]
    depth: Annotated[Count, "number of blocks"]
    head_width: Annotated[Count, "of attention"]
    patch: Annotated[Literal[1, 2, 4, 8, 16], "pixels a side of a token"]


class DiceAndCrossEntropy(TypedDict):
    """The weights of a loss of two terms."""

    dice_weight: NotNegative
    ce_weight: NotNegative


class FocalAndDice(TypedDict):
    """The mixed loss of GLoRIA and MGCA."""

    focal_weight: NotNegative
    focal_gamma: NotNegative


def uneven_heads(heads: int, width: int, width_name: str = "width") -> Iterator[str]:
    """A fault where the heads do not divide the width that they share."""
    if width % heads:
        yield f"heads = {heads}: allowed: divisors of {width_name} = {width}"


def uneven_head_width(head_width: int, width: int) -> Iterator[str]:
    """A fault where heads of about this width do not share a token's width evenly."""
    if width % max(1, width // head_width):
        yield (
            f"head_width = {head_width}: allowed: what splits width = {width} into equal heads, such as "
            "its divisors"
        )
