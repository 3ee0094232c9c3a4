"""UCTransNet: the image-only baseline whose skips are a channel-wise transformer."""

from textbcs.models.common.losses import dice_bce_objective as objective
from textbcs.models.uctransnet.network import UCTransNet as Network

__all__ = ["Network", "objective"]
