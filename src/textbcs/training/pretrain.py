"""The stage `pretrain`: the weights that a method starts from.

Writes `results/pretrained/<method>/encoder.safetensors`, empty where a method starts from chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textbcs import io

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def pretrain(stage: Stage, method: str) -> None:
    """Write the initial weights of one method."""
    folder = f"results/pretrained/{method}"
    io.write_tensors(stage.output(f"{folder}/encoder.safetensors"), {})
    io.write_text(stage.output(f"{folder}/history.csv"), "epoch\n")
