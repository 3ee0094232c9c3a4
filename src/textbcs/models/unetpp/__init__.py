"""UNet++: the image-only baseline with nested, densely connected skips."""

from textbcs.models.unetpp.loss import objective
from textbcs.models.unetpp.network import UNetPlusPlus as Network

__all__ = ["Network", "objective"]
