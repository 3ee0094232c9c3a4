"""Rules of the networks: what `textbcs check` says is what the builders do."""

import re
from typing import Any

import pytest
import torch
from faulty import changed, fault

from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.settings.combinations import impossible
from textbcs.settings.methods import impossible_network, reads_text
from textbcs.settings.presets import read_preset

NETWORKS = [
    (
        "swinunet",
        {"heads": 5},
        "methods.swinunet.network.heads = 5: allowed: divisors of width = 24",
    ),
    ("swinunet", {"depths": [2, 2]}, "methods.swinunet.network.depths = .*4 items"),
    ("swinunet", {"window": 5}, "network.window = 5: allowed: null, or .* 24, 12, 6, 3"),
    ("swinunet", {"window": 1}, "network.window = 1: allowed"),
    ("transunet", {"width": 6}, "network.width = 6: allowed: .* a multiple of 4"),
    ("transunet", {"heads": 5}, r"network.heads = 5: allowed: divisors of 12 \* width = 192"),
    ("transunet", {"units": [1, 1]}, "network.units = .*3 items"),
    ("clip", {"patch": 7}, "methods.clip.network.patch = 7: allowed: one of 1, 2, 4, 8, 16"),
    ("mgca", {"head_width": 24, "width": 80}, "methods.mgca.network.head_width = 24: allowed"),
    ("convirt", {"blocks": [1]}, "methods.convirt.network.blocks = .*: allowed: array, 4 items"),
    ("gloria", {"blocks": [1, 1, 1, 1, 1]}, "methods.gloria.network.blocks = .*4 items"),
    ("tganet", {"blocks": [3, 4]}, "methods.tganet.network.blocks = .*: allowed: array, 3 items"),
    ("lvit", {"heads": 3}, "methods.lvit.network.heads = 3: allowed: divisors of width = 16"),
    ("textbcs", {"alignment_dim": 0}, "alignment_dim = 0: allowed: integer, at least 1"),
    ("textbcs", {"heads": 3}, "network.heads = 3: allowed: divisors of width = 16"),
    ("textbcs", {"grid": 5}, "network.grid = 5: allowed: divisors of slices.size / 8 = 12"),
]
# What a builder does not notice: it builds, and the network would not do what its name says.
UNNOTICED = ({"blocks": [3, 4]}, {"alignment_dim": 0})


@pytest.mark.parametrize(("method", "changes", "words"), NETWORKS)
def test_a_network_that_cannot_be_built_is_a_fault(
    method: str, changes: dict[str, Any], words: str
) -> None:
    values = read_preset("phantom")
    network = values["methods"][method]["network"]
    network |= changes
    message = fault(values)
    assert re.search(words, message), message
    if changes not in UNNOTICED:
        with pytest.raises((InputError, ValueError)):
            built(network, values["slices"]["size"])


def built(network: dict[str, Any], size: int) -> Any:
    with torch.device("meta"):
        return registry.build(network, channels=3, image_size=size, text_dim=8)


# Values at the edge of the rules: our verdict and the builder's are one.
@pytest.mark.parametrize(
    ("method", "key", "choices"),
    [
        ("swinunet", "heads", [1, 2, 3, 4, 5, 7, 8, 9, 16, 24, 48]),
        ("swinunet", "window", [None, 1, 2, 3, 4, 5, 6, 8, 12, 24, 25, 48]),
        ("transunet", "heads", [1, 2, 3, 5, 6, 7, 12, 13, 96]),
        ("clip", "head_width", [1, 7, 16, 24, 32, 48, 64, 65, 100]),
        ("mgca", "head_width", [3, 5, 9, 21, 64, 640]),
        ("lvit", "heads", [1, 2, 3, 8, 16, 32]),
        ("textbcs", "heads", [1, 3, 4, 5, 16, 32]),
        ("textbcs", "grid", [None, "full", 1, 2, 3, 4, 5, 6, 8, 12, 24, 96]),
        ("convirt", "width", [4, 5, 6, 8]),
    ],
)
@pytest.mark.parametrize("size", [48, 96, 208])
def test_rules_of_networks_are_the_builders(
    method: str, key: str, choices: list[Any], size: int
) -> None:
    values = read_preset("tiny")["methods"][method]["network"]
    for choice in choices:
        network = values | {key: choice}
        said = list(impossible_network(network, size, "x"))
        try:
            built(network, size)
        except InputError:
            assert said, (network, size)
        else:
            assert not said, (said, size)


def test_a_variants_network_is_checked_like_the_methods() -> None:
    values = changed("variants.evidence_e0", {"network": {"heads": 3}})
    assert "variants.evidence_e0.network.heads = 3: allowed: divisors of width" in fault(values)
    values = changed("variants.evidence_e0", {"network": {"heads": 3, "svli": False}})
    assert not list(impossible(values))


def test_a_network_that_no_table_asks_for_may_be_anything() -> None:
    values = changed("methods.swinunet.network.heads", 5)
    values["tables"]["table1"].remove("swinunet")
    values["tables"]["variants"].remove("evidence_e0")
    values["variants"]["evidence_e0"] = {"network": {"heads": 3}}
    assert not list(impossible(values))


def test_what_reads_text_is_what_the_networks_say() -> None:
    values = read_preset("phantom")
    size = values["slices"]["size"]
    for name, method in values["methods"].items():
        assert reads_text(method["network"]) == built(method["network"], size).reads_text, name
    without = values["methods"]["textbcs"]["network"] | {"svli": False}
    assert not reads_text(without)
    assert not built(without, size).reads_text
