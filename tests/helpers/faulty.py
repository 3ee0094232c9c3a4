"""Parameters with one value changed, and what is said of them."""

import copy
from typing import Any

from textbcs.settings.params import fault_of
from textbcs.settings.presets import read_preset


def changed(key: str, value: Any, preset: str = "phantom") -> dict[str, Any]:
    """A preset's values with another at a dotted key."""
    values = copy.deepcopy(read_preset(preset))
    node = values
    *path, last = key.split(".")
    for part in path:
        node = node[part]
    node[last] = value
    return values


def fault(values: dict[str, Any]) -> str:
    """The first fault."""
    found = fault_of(values)
    assert found is not None
    return found
