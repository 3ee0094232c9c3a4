"""What `dvc.yaml` says about one stage: its parameters, what it reads and what it writes.

A stage is defined once, in `dvc.yaml`. The command line asks here which parameters a stage may see
and which files it may touch, so a stage cannot depend on something that DVC does not know.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textbcs.io import InputError
from textbcs.params import flatten, read_yaml

_FIELD = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Definition:
    """One stage with its matrix items filled in.

    Attributes:
        address: DVC's name of it, such as `train@unet-1`.
        keys: dotted parameter keys.
        inputs: files and folders it may read.
        outputs: files and folders it writes.
    """

    address: str
    keys: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def receipt(self) -> str:
        """Where the stage's receipt lies: apart from its results, so that no stage reads it."""
        return f"results/receipts/{self.address}.json"

    def may_read(self, path: str) -> bool:
        """Whether `path` is a declared input or lies in a declared folder."""
        return _covered(path, self.inputs)

    def may_write(self, path: str) -> bool:
        """Whether `path` is a declared output or lies in a declared folder."""
        return _covered(path, self.outputs)


def define(stage: str, items: tuple[str, ...], params: Mapping[str, Any]) -> Definition:
    """Read the definition of a stage from `dvc.yaml` and fill its `${fields}`.

    Args:
        stage: the stage's name.
        items: its matrix values, in the order of the matrix, as text; `${item.name}` in the file.
        params: all parameters, for the other fields.

    Raises:
        InputError: there is no such stage, or it takes other items.
    """
    stages = read_yaml("dvc.yaml")["stages"]
    if stage not in stages:
        raise InputError(f"dvc.yaml: no stage {stage!r}; it has {', '.join(stages)}")
    entry: Mapping[str, Any] = stages[stage]
    names = tuple(entry.get("matrix", {}))
    if len(items) != len(names):
        wanted = " ".join(name.upper() for name in names) or "nothing"
        raise InputError(f"stage {stage} takes {wanted}, not {' '.join(items) or 'nothing'}")
    values = flatten(params) | {
        f"item.{name}": item for name, item in zip(names, items, strict=True)
    }

    def filled(section: str) -> tuple[str, ...]:
        # An output with options, such as {path: {cache: false}}, is a mapping with one key.
        lines = (
            next(iter(line)) if isinstance(line, dict) else line for line in entry.get(section, [])
        )
        return tuple(_FIELD.sub(lambda match: str(values[match[1]]), line) for line in lines)

    address = f"{stage}@{'-'.join(items)}" if items else stage
    return Definition(address, filled("params"), filled("deps"), filled("outs"))


def _covered(path: str, declared: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(name.rstrip("/") + "/") for name in declared)
