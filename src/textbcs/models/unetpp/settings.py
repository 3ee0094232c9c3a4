"""Settings of UNet++ in `params.yaml`."""

from typing import Annotated, Literal, TypedDict

from textbcs.models.common.settings import Width
from textbcs.settings.ranges import Count


class Network(TypedDict):
    """Nested skip connections."""

    model: Literal["unetpp"]
    width: Width
    poolings: Annotated[Count, "how often the image is halved"]
