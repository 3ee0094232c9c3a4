"""Which values of a method's network fit one another: the rules of `models/` without its imports.

A network that cannot be built fails only in its job, which may be hours away. Building all takes longer
than a check may take, so the rules stand here once more, and a test holds them against
`models.registry.build`. Part of `params.py`; reads and writes no file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# Methods whose mask the prompt changes, and what they need for it.
READS_TEXT: Mapping[str, Mapping[str, Any]] = {"lvit": {}, "textbcs": {"svli": True}}
# Swin-UNet: pixels a token, what the padded side is a multiple of, and its least.
_TOKEN, _MULTIPLE, _LEAST = 4, 32, 64
_TRANSUNET_TOKEN = 12  # times the width


def reads_text(network: Mapping[str, Any]) -> bool:
    """Whether the prompt changes what this network predicts."""
    needs = READS_TEXT.get(network["model"])
    return needs is not None and all(network[key] == value for key, value in needs.items())


def variant_network(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The network of a variant of TextBCS."""
    changes = values["variants"][name].get("network", {})
    return {**values["methods"]["textbcs"]["network"], **changes}


def impossible_networks(values: Mapping[str, Any]) -> Iterator[str]:
    """Networks of the tables' methods and variants that cannot be built, each as one line."""
    size, tables = values["slices"]["size"], values["tables"]
    for name in tables["table1"]:
        network = values["methods"][name]["network"]
        yield from impossible_network(network, size, f"methods.{name}.network")
    for name in tables["variants"]:
        network = variant_network(values, name)
        yield from impossible_network(network, size, f"variants.{name}.network")


def impossible_network(network: Mapping[str, Any], size: int, where: str) -> Iterator[str]:
    """What does not fit in one network.

    Args:
        network: values that the schema allows.
        size: side of the image in pixels, a multiple of 16.
        where: its key in params.yaml.
    """
    model, width = network["model"], network["width"]
    heads = network.get("heads", 1)
    split = _TRANSUNET_TOKEN * width if model == "transunet" else width
    if split % heads and (model != "textbcs" or network["svli"]):
        times = f"{_TRANSUNET_TOKEN} * " if model == "transunet" else ""
        yield f"{where}.heads = {heads}: allowed: divisors of {times}width = {split}"
    if "head_width" in network and width % max(1, width // network["head_width"]):
        yield (
            f"{where}.head_width = {network['head_width']}: allowed: what splits width = {width} into "
            f"equal heads, such as its divisors"
        )
    if model == "swinunet" and network["window"] is not None:
        yield from _impossible_window(network["window"], size, where)
    if model == "textbcs":
        yield from _impossible_textbcs(network, size, where)


def _impossible_window(window: int, size: int, where: str) -> Iterator[str]:
    """A window of Swin-UNet that does not divide each of its four grids of tokens."""
    padded = max(_LEAST, -(-size // _MULTIPLE) * _MULTIPLE)
    sides = [padded // _TOKEN // 2**stage for stage in range(4)]
    if window < 2 or any(side > window and side % window for side in sides):
        grids = ", ".join(map(str, sides))
        yield f"{where}.window = {window}: allowed: null, or 2 and more and a divisor of {grids}"


def _impossible_textbcs(network: Mapping[str, Any], size: int, where: str) -> Iterator[str]:
    """A grid of tokens that does not divide the deepest map."""
    deepest, grid = size // 8, network["grid"]
    if network["svli"] and isinstance(grid, int) and deepest % grid:
        yield f"{where}.grid = {grid}: allowed: divisors of slices.size / 8 = {deepest}"
