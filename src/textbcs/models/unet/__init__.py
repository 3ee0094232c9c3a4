"""UNet: the image-only baseline that TextBCS builds on."""

from textbcs.models.common.losses import dice_bce_objective as objective
from textbcs.models.unet.network import UNet as Network

__all__ = ["Network", "objective"]
