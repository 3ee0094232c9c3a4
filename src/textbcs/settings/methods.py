"""The sections `methods` and `variants` of `params.yaml`: each method's settings stand beside the method.

A method is a folder of `models/` whose `settings.py` declares `Network`, the settings of its network.
What else it declares is found by name: `Loss` and `Initial`, where there is more than the defaults;
`READS_TEXT`, where the prompt changes the mask; `unbuildable(network, size)`, the combinations that its
builder refuses.
"""

import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from textbcs.base.variants import BASE
from textbcs.settings.checking import keyed, optional
from textbcs.settings.ranges import Items, Name
from textbcs.settings.training import Grid, Initial, NoSettings, Training

_MODELS = Path(__file__).parents[1] / "models"
_SHARED = "common"


def method_names() -> list[str]:
    """Names of all methods, sorted."""
    return sorted({path.parent.name for path in _MODELS.glob("*/settings.py")} - {_SHARED})


@functools.cache
def settings_of(method: str) -> ModuleType:
    """The module `settings.py` of a method.

    It is run from its file: an import would run the method's package first, and with it torch.
    """
    path = _MODELS / method / "settings.py"
    spec = importlib.util.spec_from_file_location(f"textbcs.models.{method}.settings", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared_methods() -> Any:
    """The declaration of the section `methods`."""
    overrides = optional(Training)
    kinds = {}
    for name in method_names():
        own = settings_of(name)
        blocks = {
            "network": own.Network,
            "loss": getattr(own, "Loss", NoSettings),
            "training": overrides,
            "grid": Grid,
            "initial": getattr(own, "Initial", Initial),
        }
        kinds[name] = keyed(name, blocks)
    return keyed("Methods", kinds, total=False)


def declared_variants() -> Any:
    """The declaration of the section `variants`: what each changes in `methods.textbcs`."""
    own = settings_of(BASE)
    blocks = {
        "network": optional(own.Network, without=["model"]),
        "loss": optional(own.Loss),
        "training": optional(Training),
    }
    variant = keyed("Variant", blocks, total=False)
    return dict[Name, Annotated[variant, Items(1)]]  # type: ignore[valid-type]


def reads_text(network: Mapping[str, Any]) -> bool:
    """Whether the prompt changes what this network predicts."""
    switch = _reading_switch(network["model"])
    return bool(network[switch]) if isinstance(switch, str) else switch


def reading_methods() -> list[str]:
    """The methods whose mask the prompt changes, with the switch that this hangs on."""
    switches = {name: _reading_switch(name) for name in method_names()}
    return [
        f"{name} (with {switch})" if isinstance(switch, str) else name
        for name, switch in switches.items()
        if switch
    ]


def variant_network(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The network of a variant of TextBCS."""
    changes = values["variants"][name].get("network", {})
    return {**values["methods"][BASE]["network"], **changes}


def impossible_networks(values: Mapping[str, Any]) -> Iterator[str]:
    """Networks of the tables' methods and variants that cannot be built, each as one line.

    A network that cannot be built would fail only in its job, which may be hours away.
    """
    size, tables = values["slices"]["size"], values["tables"]
    for name in tables["table1"]:
        network = values["methods"][name]["network"]
        yield from impossible_network(network, size, f"methods.{name}.network")
    for name in [*tables["variants"], *tables["for_use"]]:
        network = variant_network(values, name)
        yield from impossible_network(network, size, f"variants.{name}.network")


def impossible_network(network: Mapping[str, Any], size: int, where: str) -> Iterator[str]:
    """What does not fit in one network.

    Args:
        network: values that the method's `Network` allows.
        size: side of the image in pixels, a multiple of 16.
        where: its key in params.yaml.
    """
    own = settings_of(network["model"])
    if hasattr(own, "unbuildable"):
        for line in own.unbuildable(network, size):
            yield f"{where}.{line}"


def _reading_switch(method: str) -> bool | str:
    switch: bool | str = getattr(settings_of(method), "READS_TEXT", False)
    return switch
