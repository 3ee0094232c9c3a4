"""nnU-Net: the image-only baseline that plans its own depth."""

from textbcs.models.nnunet.loss import objective
from textbcs.models.nnunet.network import NNUNet as Network

__all__ = ["Network", "objective"]
