"""Names of the published ImageNet-1k weights (swin_tiny_patch4_window7_224) in Swin-UNet.

As in the official code, encoder and decoder both start from them: a decoder's stage takes the blocks of
the encoder's stage at its grid. Of the third stage's six published blocks the first are taken.
"""

from collections.abc import Mapping

from torch import Tensor

SOURCE = "imagenet1k_swin_tiny"

_BLOCK = {
    "attention_norm": "norm1",
    "attention.table": "attn.relative_position_bias_table",
    "attention.qkv": "attn.qkv",
    "attention.out": "attn.proj",
    "mlp_norm": "norm2",
    "mlp_in": "mlp.fc1",
    "mlp_out": "mlp.fc2",
}
_TABLE = "attention.table"


def counterpart(
    published: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> Tensor | None:
    """The published counterpart of the network's `name`, as the official code loads it.

    None, and so random: patch expanding, the linear layers of the skips, the decoder's last norm, the
    head, and bias tables of another window.
    """
    source = _published_name(name)
    if source is None:
        return None
    value = published[source]
    return None if name.endswith(_TABLE) and tuple(value.shape) != shape else value


def _published_name(name: str) -> str | None:
    """The published name of a tensor of the network, or None where there is none."""
    part, _, rest = name.partition(".")
    if part == "embed":
        return f"patch_embed.proj.{rest}"
    if part == "embed_norm":
        return f"patch_embed.norm.{rest}"
    if part == "norm":
        return name
    if part == "merge":
        stage, layer, leaf = rest.split(".")
        return f"layers.{stage}.downsample.{'reduction' if layer == 'reduce' else layer}.{leaf}"
    if part in ("down", "up"):
        stage, block, layer = rest.split(".", 2)
        own, leaf = (layer, "") if layer == _TABLE else layer.rsplit(".", 1)
        return f"layers.{stage}.blocks.{block}.{_BLOCK[own]}" + (f".{leaf}" if leaf else "")
    return None
