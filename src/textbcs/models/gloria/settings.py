"""Settings of GLoRIA in `params.yaml`."""

from typing import Annotated, Literal, NotRequired, TypedDict

from textbcs.models.common.settings import FocalAndDice, FourStages
from textbcs.settings import training
from textbcs.settings.ranges import AtLeast, Count, Items, Positive


class Network(TypedDict):
    """A ResNet and a decoder with skip connections."""

    model: Literal["gloria"]
    width: Annotated[int, AtLeast(4), "channels of the ResNet's first stage"]
    blocks: FourStages


Loss = FocalAndDice


class Pretraining(training.Pretraining):
    """Whole image against prompt, and regions against words."""

    embedding: Annotated[Count, "width of the shared space"]
    temperatures: Annotated[
        list[Positive], Items(3, 3), "of attention, of words and of both contrastive losses"
    ]


class Initial(training.Initial):
    """Own pre-training."""

    pretraining: NotRequired[Pretraining]
