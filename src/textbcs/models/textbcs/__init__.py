"""TextBCS: the proposed method, with its interaction (SVLI), evidential head and losses."""

from textbcs.models.textbcs.loss import objective
from textbcs.models.textbcs.network import TextBCS as Network

__all__ = ["Network", "objective"]
