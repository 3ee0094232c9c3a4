"""Settings of UNet in `params.yaml`."""

from typing import Literal, TypedDict

from textbcs.models.common.settings import Width


class Network(TypedDict):
    """A double convolution and a halving a stage."""

    model: Literal["unet"]
    width: Width
