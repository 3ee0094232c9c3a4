"""Settings of nnU-Net in `params.yaml`."""

from typing import Literal, TypedDict

from textbcs.models.common.settings import Width


class Network(TypedDict):
    """The plain 2-D U-Net of its plan."""

    model: Literal["nnunet"]
    width: Width
