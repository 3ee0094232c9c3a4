"""All networks by name, and their weights.

Reads `model.safetensors` of a trained network; writes nothing.
"""

import os
from collections.abc import Mapping
from typing import Any

import torch

from textbcs.io import InputError, read_tensors
from textbcs.models.contract import Segmenter
from textbcs.models.textbcs import TextBCS
from textbcs.models.unet import UNet

_MODELS: dict[str, type[Segmenter]] = {"textbcs": TextBCS, "unet": UNet}


def names() -> list[str]:
    """Names of all networks, sorted."""
    return sorted(_MODELS)


def build(config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int) -> Segmenter:
    """Build a network with fresh weights, drawn from torch's global generator.

    Args:
        config: a method's `network` block of params.yaml; `model` names the network.
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
    return _class_of(config)(config, channels=channels, image_size=image_size, text_dim=text_dim)


def full_size(config: Mapping[str, Any]) -> dict[str, Any]:
    """The method's configuration with the published size laid over it."""
    return {**config, **_class_of(config).full_size}


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


def _class_of(config: Mapping[str, Any]) -> type[Segmenter]:
    name = config["model"]
    if name not in _MODELS:
        raise InputError(f"model = {name!r}: no such network; there are {', '.join(names())}")
    return _MODELS[name]
