"""Settings of LViT in `params.yaml`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from textbcs.models.common.settings import Heads, Width, uneven_heads
from textbcs.settings.ranges import Count

READS_TEXT = True


class Network(TypedDict):
    """A UNet and a transformer side by side; the second reads the prompt."""

    model: Literal["lvit"]
    width: Width
    heads: Heads
    tokens: Annotated[Count, "of a prompt that are read"]


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    yield from uneven_heads(network["heads"], network["width"])
