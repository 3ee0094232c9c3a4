"""Parameters and operations of every method, by one tool in one unit.

Always at full width, 224 px and batch 1, whatever the preset trains; the size of the network that
the preset trains stands in columns of its own. The text encoder is frozen and counted nowhere.
Everything runs on torch's meta device: shapes without values, so that a network of any size is
counted in a moment. Writes `results/complexity/<method>.json`, with the settings of the network and its first
weights beside the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from textbcs.base.io import InputError, write_json
from textbcs.models.common import registry
from textbcs.models.common.contract import TextBatch
from textbcs.models.counting import (
    FULL_CHANNELS,
    FULL_TEXT,
    flops,
    parameters,
    parameters_for_mask,
    parameters_of_pretraining,
    thop_operations,
)
from textbcs.text.encoders import SOURCES as ENCODERS

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

FULL_SIZE = 224
TOKENS = 10  # "location left shape irregular size medium number two", with start and end

UNITS = {
    "params_as_trained": "parameters of the segmentation network as trained, frozen ones included, "
    "text encoder excluded",
    "params_learnt": "those of them that the segmentation's training changes",
    "params_pretraining": "parameters of the model of the method's contrastive pre-training, text "
    "encoder excluded; 0 where there is none",
    "params_for_mask": "those of them that the foreground probability depends on",
    "flops": "floating point operations of a forward pass as in training, 2 per multiply-add, "
    "batch 1, by torch's FlopCounterMode (convolutions and matrix products)",
    "flops_for_mask": "the same for a forward pass in evaluation mode",
    "paper_convention_macs": "operations as thop 0.1.1 counts them for a batch of two, of a forward "
    "pass as in training; the printed values of UNet and LViT arise in this way",
    "params_here": "parameters of the network that this preset trains",
    "flops_here": "its flops, at this preset's image size",
}


def run(stage: Stage) -> None:
    """Measure every method of Table 1.

    Params read: `tables.table1`, `methods`, `slices.size`, `slices.channels`, `text.encoder`.
    """
    params = stage.params
    setting = {"image_size": FULL_SIZE, "channels": FULL_CHANNELS, "tokens": [TOKENS, FULL_TEXT]}
    for method in stage.progress(params["tables"]["table1"], desc="methods"):
        network = params["methods"][method]["network"]
        here = local_row(
            network,
            channels=params["slices"]["channels"],
            size=params["slices"]["size"],
            text_dim=ENCODERS[params["text"]["encoder"]].dimension,
        )
        full = full_row(network)
        # What the tables say of a method's settings comes from here, so that no other stage reads them all.
        own = {"network": network, "initial": params["methods"][method]["initial"]}
        report = {"method": method, "setting": setting, "units": UNITS, **own, **full, **here}
        write_json(stage.output(f"results/complexity/{method}.json"), report)


def all_rows(params: Mapping[str, Any], names: Sequence[str] | None) -> list[dict[str, Any]]:
    """The columns of several methods, for the command line.

    Args:
        params: with `methods`.
        names: which of them; None for all.

    Raises:
        InputError: there is no such method.
    """
    methods = params["methods"]
    for name in names or ():
        if name not in methods:
            raise InputError(f"methods.{name}: no such method; there are {', '.join(methods)}")
    return [{"method": n, **full_row(methods[n]["network"])} for n in names or methods]


def full_row(network: Mapping[str, Any]) -> dict[str, Any]:
    """The columns at the published size, named as in `UNITS`, and whether the text is read.

    Args:
        network: the method's `network` block of params.yaml, of any preset.
    """
    size = registry.full_image(network)
    with torch.device("meta"):
        model = registry.build(
            registry.full_size(network),
            channels=FULL_CHANNELS,
            image_size=size,
            text_dim=FULL_TEXT,
        )
    one = example(1, FULL_CHANNELS, size, FULL_TEXT)
    two = example(2, FULL_CHANNELS, size, FULL_TEXT)
    return {
        "reads_at_test": model.reads
        if model.reads_text or "prompt" not in model.reads
        else "image",
        "reads_text": model.reads_text,
        "params_as_trained": parameters(model),
        "params_learnt": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "params_pretraining": parameters_of_pretraining(network),
        "params_for_mask": parameters_for_mask(model, *one),
        "flops": flops(model.train(), *one),
        "flops_for_mask": flops(model.eval(), *one),
        "paper_convention_macs": thop_operations(model.train(), *two),
    }


def local_row(
    network: Mapping[str, Any], *, channels: int, size: int, text_dim: int
) -> dict[str, int]:
    """The columns of the network that the preset trains."""
    with torch.device("meta"):
        model = registry.build(network, channels=channels, image_size=size, text_dim=text_dim)
    operations = flops(model.train(), *example(1, channels, size, text_dim))
    return {"params_here": parameters(model), "flops_here": operations}


def example(batch: int, channels: int, size: int, text_dim: int) -> tuple[Tensor, TextBatch]:
    """A batch on the meta device."""
    image = torch.empty(batch, channels, size, size, device="meta")
    tokens = torch.empty(batch, TOKENS, text_dim, device="meta")
    mask = torch.ones(batch, TOKENS, dtype=torch.bool, device="meta")
    return image, TextBatch(tokens, mask)
