"""TransUNet: a ResNet-50 and a ViT-B/16 as encoder, a convolutional decoder with three skips."""

from textbcs.models.transunet.loss import objective
from textbcs.models.transunet.network import TransUNet as Network

__all__ = ["Network", "objective"]
