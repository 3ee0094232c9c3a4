"""Names of the published ImageNet-21k weights (R50+ViT-B_16.npz) in TransUNet's encoder.

The file is of the JAX implementation: convolutions are height, width, input, output; dense layers
input, output; attention is split by head. The decoder is not in it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SOURCE = "imagenet21k_r50_vit_b16"

_UNIT = {
    "conv1": "conv1/kernel",
    "conv2": "conv2/kernel",
    "conv3": "conv3/kernel",
    "norm1": "gn1/",
    "norm2": "gn2/",
    "norm3": "gn3/",
    "projection": "conv_proj/kernel",
    "projection_norm": "gn_proj/",
}
_BLOCK = {
    "attention_norm": "LayerNorm_0/",
    "mlp_norm": "LayerNorm_2/",
    "mlp_in": "MlpBlock_3/Dense_0/",
    "mlp_out": "MlpBlock_3/Dense_1/",
}


def counterpart(
    published: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> Tensor | None:
    """The published counterpart of the network's `name`, as the official code loads it.

    The decoder has none. Position embeddings of another grid are interpolated linearly, without the
    class token.
    """
    part, _, rest = name.partition(".")
    if part == "position":
        return _positions(published["Transformer/posembed_input/pos_embedding"], shape)
    if part == "resnet":
        return _resnet(published, rest)
    if part == "embed":
        leaf = published[f"embedding/{_leaf(rest)}"]
        return leaf if rest == "bias" else leaf.permute(3, 2, 0, 1)
    return _transformer(published, rest) if part == "encoder" else None


def _resnet(published: Mapping[str, Tensor], name: str) -> Tensor:
    """A tensor of the convolutional half, by its name behind `resnet.`."""
    *path, leaf = name.split(".")
    if path[0] == "stages":
        stage, unit, layer = int(path[1]), int(path[2]), _UNIT[path[3]]
        key = f"block{stage + 1}/unit{unit + 1}/{layer}"
    else:
        key = {"root": "conv_root/kernel", "root_norm": "gn_root/"}[path[0]]
    if key.endswith("/"):
        return published[key + ("scale" if leaf == "weight" else "bias")].reshape(-1)
    return published[key].permute(3, 2, 0, 1)


def _transformer(published: Mapping[str, Tensor], name: str) -> Tensor:
    """A tensor of the transformer, by its name behind `encoder.`."""
    *path, leaf = name.split(".")
    if path == ["norm"]:
        return published[f"Transformer/encoder_norm/{'scale' if leaf == 'weight' else 'bias'}"]
    root = f"Transformer/encoderblock_{path[1]}/"
    if path[2] == "attention":
        layer = published[f"{root}MultiHeadDotProductAttention_1/{path[3]}/{_leaf(leaf)}"]
        if leaf == "bias":
            return layer.reshape(-1)
        # (width, heads, width of a head), and the other way round after the attention
        return (layer.flatten(0, 1) if path[3] == "out" else layer.flatten(1)).T
    if path[2].endswith("_norm"):
        return published[f"{root}{_BLOCK[path[2]]}{'scale' if leaf == 'weight' else 'bias'}"]
    layer = published[f"{root}{_BLOCK[path[2]]}{_leaf(leaf)}"]
    return layer if leaf == "bias" else layer.T


def _leaf(leaf: str) -> str:
    return "bias" if leaf == "bias" else "kernel"


def _positions(published: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Position embeddings (1, 1 + side**2, width) without the class token, on the grid of `shape`."""
    places = published[:, 1:]
    if places.shape[1] == shape[1]:
        return places
    from scipy.ndimage import zoom

    old, new = round(places.shape[1] ** 0.5), round(shape[1] ** 0.5)
    grid = places.reshape(old, old, -1).numpy()
    # scipy's zoom keeps the corners in place, as the official code does it
    resized = zoom(grid, (new / old, new / old, 1), order=1)
    return torch.from_numpy(resized).reshape(1, new * new, -1)
