"""What `dvc.yaml` says about a stage, or about all: parameters, what it reads and what it writes.

A stage is defined once, in `dvc.yaml`. Whoever starts one asks here which parameters it may see and
which files it may touch, so a stage cannot depend on something that DVC does not know. The audit
asks here for the whole pipeline, without DVC, so that it can contradict DVC.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from textbcs.base.io import InputError, canonical_json, sha256_bytes
from textbcs.settings.params import flatten, read_yaml

_FIELD = re.compile(r"\$\{([\w.\[\]]+)\}")
_CODE = "src/"


@dataclass(frozen=True)
class Definition:
    """One stage with its matrix items filled in.

    Attributes:
        address: DVC's name of it, such as `train@unet-1`.
        keys: dotted parameter keys.
        inputs: files and folders it may read.
        outputs: files and folders it writes.
        items: its matrix values by name, as text.
        command: what the engines run.
    """

    address: str
    keys: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    items: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    @property
    def stage(self) -> str:
        """The stage's name without matrix values."""
        return self.address.partition("@")[0]

    @property
    def digest(self) -> str:
        """The sha256 of all that is said here, in the form that receipts hold: order says nothing."""
        said = {
            "command": self.command,
            "deps": sorted(self.inputs),
            "outs": sorted(self.outputs),
            "params": sorted(self.keys),
        }
        return sha256_bytes(canonical_json(said).encode())

    @property
    def receipt(self) -> str:
        """Where the stage's receipt lies: apart from its results, so that no stage reads it."""
        return f"results/receipts/{self.address}.json"

    @property
    def code(self) -> tuple[str, ...]:
        """Modules, and folders of modules, that the stage imports."""
        return tuple(name for name in self.inputs if name.startswith(_CODE))

    @property
    def data(self) -> tuple[str, ...]:
        """Inputs that are no code."""
        return tuple(name for name in self.inputs if not name.startswith(_CODE))

    def may_read(self, path: str) -> bool:
        """Whether `path` is a declared input or lies in a declared folder."""
        return covered(path, self.inputs)

    def may_write(self, path: str) -> bool:
        """Whether `path` is a declared output or lies in a declared folder."""
        return covered(path, self.outputs)


def read_stages(path: str = "dvc.yaml") -> Mapping[str, Any]:
    """The stages of a definition file, as they stand there."""
    stages: Mapping[str, Any] = read_yaml(path)["stages"]
    return stages


def define(
    stage: str,
    items: tuple[str, ...],
    params: Mapping[str, Any],
    stages: Mapping[str, Any] | None = None,
) -> Definition:
    """The definition of a stage, its `${fields}` filled.

    Args:
        stage: the stage's name.
        items: its matrix values, in the order of the matrix, as text; `${item.name}` in the file.
        params: all parameters, for the other fields.
        stages: what `read_stages` gave; read where it is not given.

    Raises:
        InputError: there is no such stage, it takes other items, or an item that its matrix lacks.
    """
    stages = read_stages() if stages is None else stages
    if stage not in stages:
        raise InputError(f"dvc.yaml: no stage {stage!r}; it has {', '.join(stages)}")
    entry: Mapping[str, Any] = stages[stage]
    matrix: Mapping[str, Any] = entry.get("matrix", {})
    values = flatten(params)
    if len(items) != len(matrix):
        wanted = " ".join(name.upper() for name in matrix) or "nothing"
        raise InputError(f"stage {stage} takes {wanted}, not {' '.join(items) or 'nothing'}")
    for name, item, choices in zip(matrix, items, matrix.values(), strict=True):
        allowed = _column(choices, values)
        if item not in allowed:
            where = f" ({choices} of params.yaml)" if isinstance(choices, str) else ""
            raise InputError(
                f"stage {stage}: {name} = {item!r}: allowed: {', '.join(allowed)}"
                + where.replace("${", "").replace("}", "")
            )
    return _fill(stage, entry, dict(zip(matrix, items, strict=True)), values)


def define_all(
    params: Mapping[str, Any], stages: Mapping[str, Any] | None = None
) -> dict[str, Definition]:
    """Every stage of the pipeline by its address, in the order of `dvc.yaml`."""
    values = flatten(params)
    found = {}
    for stage, entry in (read_stages() if stages is None else stages).items():
        for items in _combinations(entry.get("matrix", {}), values):
            definition = _fill(stage, entry, items, values)
            found[definition.address] = definition
    return found


class Makers:
    """Which stage makes a file."""

    def __init__(self, definitions: Mapping[str, Definition]) -> None:
        self._outputs = {
            output.rstrip("/"): address
            for address, definition in definitions.items()
            for output in definition.outputs
        }

    @property
    def paths(self) -> Collection[str]:
        """All declared outputs, files and folders."""
        return self._outputs.keys()

    def of(self, path: str) -> str | None:
        """The address of the stage that writes `path` or a folder above it; None: no stage does."""
        for name in (path, *(parent.as_posix() for parent in PurePosixPath(path).parents)):
            if name in self._outputs:
                return self._outputs[name]
        return None


def lines(entry: Mapping[str, Any], section: str) -> Iterator[str]:
    """The paths, or the keys, of a section of a stage, as they stand in `dvc.yaml`.

    Args:
        entry: the stage.
        section: `deps`, `params`, `outs`, ...
    """
    for line in entry.get(section, []):
        # Outputs with options, such as {path: {cache: false}}, are the keys of a mapping.
        yield from line if isinstance(line, dict) else [line]


def covered(path: str, declared: tuple[str, ...]) -> bool:
    """Whether `path` is one of the declared paths or lies in a declared folder."""
    return any(path == name or path.startswith(name.rstrip("/") + "/") for name in declared)


def _combinations(matrix: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    columns = [_column(choices, values) for choices in matrix.values()]
    for chosen in itertools.product(*columns):
        yield dict(zip(matrix, chosen, strict=True))


def _column(choices: Any, values: Mapping[str, Any]) -> list[str]:
    """The values of one dimension of a matrix: a list, or a field that names one."""
    match = _FIELD.fullmatch(choices) if isinstance(choices, str) else None
    return [_text(value) for value in (values[match[1]] if match else choices)]


def _fill(
    stage: str, entry: Mapping[str, Any], items: Mapping[str, str], params: Mapping[str, Any]
) -> Definition:
    """The definition of one stage for one set of matrix items, with every `${...}` filled in."""
    values = {
        **params,
        **{
            f"{key}[{place}]": one
            for key, value in params.items()
            if isinstance(value, list)
            for place, one in enumerate(value)
        },
        **{f"item.{name}": item for name, item in items.items()},
    }

    def fill(line: str) -> str:
        return _FIELD.sub(lambda match: _text(values[match[1]]), line)

    def filled(*sections: str) -> tuple[str, ...]:
        """The lines of these sections, filled in."""
        return tuple(fill(line) for section in sections for line in lines(entry, section))

    address = f"{stage}@{'-'.join(items.values())}" if items else stage
    outputs = filled("outs", "metrics", "plots")
    command = fill(str(entry.get("cmd", "")))
    return Definition(address, filled("params"), filled("deps"), outputs, items, command)


def _text(value: Any) -> str:
    """A value as DVC writes it into a path."""
    return str(value).lower() if isinstance(value, bool) else str(value)
