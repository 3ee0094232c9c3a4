"""TGANet: a ResNet-50 that predicts number and size of the lesions and lets them guide its decoder."""

from textbcs.models.tganet.loss import objective
from textbcs.models.tganet.network import TGANet as Network

__all__ = ["Network", "objective"]
