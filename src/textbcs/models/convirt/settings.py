"""Settings of ConVIRT in `params.yaml`."""

from typing import Annotated, Literal, NotRequired, TypedDict

from textbcs.models.common.settings import FourStages
from textbcs.settings import training
from textbcs.settings.ranges import AtLeast, Count, Positive, Share


class Network(TypedDict):
    """A ResNet and a decoder with skip connections."""

    model: Literal["convirt"]
    width: Annotated[int, AtLeast(4), "channels of the ResNet's first stage"]
    blocks: FourStages


class Pretraining(training.Pretraining):
    """Both directions of InfoNCE."""

    embedding: Annotated[Count, "width of the shared space"]
    temperature: Positive
    image_weight: Annotated[Share, "of the direction from image to text"]


class Initial(training.Initial):
    """Own pre-training."""

    pretraining: NotRequired[Pretraining]
