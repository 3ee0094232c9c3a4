"""Methods by name: the network and the loss of `models/<name>/`, and trained weights.

Found by convention, not by a table: a method is a folder whose package offers `Network` (a `Segmenter`)
and `objective` (its loss). Importing one imports no other, and in `dvc.yaml` a training depends on its
own method's folder alone.
"""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from textbcs.base.io import InputError, read_tensors
from textbcs.models.common.contract import Objective, Segmenter

_SHARED = "common"


def names() -> list[str]:
    """Names of all methods, sorted."""
    folders = Path(__file__).parent.parent.glob("*/__init__.py")
    return sorted({path.parent.name for path in folders} - {_SHARED})


def package(model: str) -> ModuleType:
    """The package of a method.

    Raises:
        InputError: there is no such method.
    """
    if model not in names():
        raise InputError(f"model = {model!r}: no such network; there are {', '.join(names())}")
    return importlib.import_module(f"textbcs.models.{model}")


def build(config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int) -> Segmenter:
    """Build a network with fresh weights, drawn from torch's global generator.

    Args:
        config: a method's `network` block of params.yaml; `model` names the method's folder.
        channels: of the image.
        image_size: side of the image in pixels, a multiple of 16.
        text_dim: width of the text encoder's embeddings.

    Raises:
        InputError: unknown network, or values that do not fit one another.
    """
    if image_size % 16:
        raise InputError(
            f"image size {image_size}: the networks halve four times; use a multiple of 16"
        )
    return _network(config)(config, channels=channels, image_size=image_size, text_dim=text_dim)


def objective(model: str, config: Mapping[str, Any]) -> Objective:
    """The loss of a method, with the values of its `loss` block of params.yaml."""
    found: Objective = package(model).objective(config)
    return found


def full_size(config: Mapping[str, Any]) -> dict[str, Any]:
    """The method's configuration with the published size laid over it."""
    return {**config, **_network(config).full_size}


def full_image(config: Mapping[str, Any]) -> int:
    """Image side in pixels at which the method's published size is measured."""
    return _network(config).full_image


def read_weights(model: Segmenter, path: str | os.PathLike[str]) -> None:
    """Load a trained network's weights into `model`.

    Raises:
        InputError: the file is missing or damaged, or belongs to another configuration.
    """
    arrays = {name: torch.from_numpy(array) for name, array in read_tensors(path).items()}
    try:
        model.load_state_dict(arrays, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(
            f"{path}: weights of another configuration ({reason}); train again"
        ) from error


def _network(config: Mapping[str, Any]) -> type[Segmenter]:
    found: type[Segmenter] = package(config["model"]).Network
    return found
