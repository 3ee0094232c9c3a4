"""Parameters with one value changed, and what is said of them."""

import copy
import json
from typing import Any

from textbcs import faults, params


def changed(key: str, value: Any, base: str = "presets/phantom.yaml") -> dict[str, Any]:
    values = copy.deepcopy(params.read_yaml(base))
    node = values
    *path, last = key.split(".")
    for part in path:
        node = node[part]
    node[last] = value
    return values


def fault(values: dict[str, Any]) -> str:
    schema = json.loads(params.SCHEMA.read_text())
    return faults.first_fault(values, schema) or next(iter(params.impossible(values)))
