"""Settings of TGANet in `params.yaml`."""

from typing import Literal, TypedDict

from textbcs.models.common.settings import ThreeStages, Width


class Network(TypedDict):
    """A ResNet that predicts number and size of the lesions, and a decoder that reads them."""

    model: Literal["tganet"]
    width: Width
    blocks: ThreeStages
