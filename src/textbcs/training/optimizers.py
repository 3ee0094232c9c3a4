"""The optimiser that a method's training values name."""

from collections.abc import Mapping
from typing import Any

from torch import nn, optim


def optimizer_of(model: nn.Module, settings: Mapping[str, Any]) -> optim.Optimizer:
    """An optimiser of the parameters that are not frozen; the learning rate is set at every step.

    Args:
        model: on its device.
        settings: `optimizer`, `weight_decay`, and for sgd `momentum` and `nesterov`.
    """
    kind, decay = settings["optimizer"], float(settings["weight_decay"])
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if kind == "sgd":
        return optim.SGD(
            learnt,
            lr=0.0,
            momentum=float(settings["momentum"]),
            nesterov=bool(settings["nesterov"]),
            weight_decay=decay,
            fused=True,
        )
    family: type[optim.Adam] = {"adam": optim.Adam, "adamw": optim.AdamW}[kind]
    return family(learnt, lr=0.0, weight_decay=decay, fused=True)
