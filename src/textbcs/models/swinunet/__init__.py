"""Swin-UNet: an encoder and a decoder of shifted-window transformer blocks, no convolutions between."""

from textbcs.models.swinunet.loss import objective
from textbcs.models.swinunet.network import SwinUNet as Network

__all__ = ["Network", "objective"]
