"""Names of the published CLIP ViT-B/16 weights, as transformers stores them, in our image tower.

The text tower and the temperature are not taken: the text encoder is the project's own, and the head is
not in the file.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SOURCE = "clip_vit_b16"

_TOWER = {
    "class_token": "vision_model.embeddings.class_embedding",
    "position": "vision_model.embeddings.position_embedding.weight",
    "patches.weight": "vision_model.embeddings.patch_embedding.weight",
    "norm_before": "vision_model.pre_layrnorm",
    "norm_after": "vision_model.post_layernorm",
}
_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attention.out": "self_attn.out_proj",
    "perceptron.0": "mlp.fc1",
    "perceptron.2": "mlp.fc2",
}


def counterpart(
    published: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> Tensor | None:
    """The published counterpart of the network's `name`; only the encoder has one."""
    own = name.removeprefix("encoder.")
    return None if own == name else _of_tower(published, own)


def _of_tower(published: Mapping[str, Tensor], name: str) -> Tensor:
    """A tensor of the tower, by its name in it."""
    if name == "projection":
        return published["visual_projection.weight"].T
    if name in _TOWER:
        return published[_TOWER[name]]
    part, _, kind = name.rpartition(".")
    if part in _TOWER:
        return published[f"{_TOWER[part]}.{kind}"]
    _, number, layer = part.split(".", 2)
    block = f"vision_model.encoder.layers.{number}."
    if layer == "attention.qkv":
        own = (published[f"{block}self_attn.{letter}_proj.{kind}"] for letter in "qkv")
        return torch.cat(tuple(own))
    return published[f"{block}{_BLOCK[layer]}.{kind}"]
