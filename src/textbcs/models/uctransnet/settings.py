"""Settings of UCTransNet in `params.yaml`."""

from typing import Annotated, Literal, TypedDict

from textbcs.models.common.settings import Width
from textbcs.settings.ranges import Count


class Network(TypedDict):
    """A UNet whose skip connections pass through a transformer."""

    model: Literal["uctransnet"]
    width: Width
    layers: Annotated[Count, "of the transformer"]
