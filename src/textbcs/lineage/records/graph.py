"""The pipeline as its receipts tell it: stages, what each read and wrote, and what dvc.lock says.

DVC is not asked: the audit has to be able to contradict it.
"""

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from textbcs.base.io import InputError
from textbcs.lineage.records.bounded import parse_json, path_fault, read_regular
from textbcs.lineage.records.form import Form, judge
from textbcs.lineage.records.lock_file import Locked, parse_yaml, read_lock
from textbcs.lineage.records.run_rows import rows_of, stands_behind
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Definition, Makers, define_all
from textbcs.stage.ignored_files import is_ignored

RECEIPTS = Path("results/receipts")


@dataclass(frozen=True)
class Item:
    """A file that a receipt names: path, sha256, size in bytes, and for an input its maker."""

    path: str
    sha256: str
    bytes: int
    stage: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What `receipt.py` wrote about one stage.

    Receipts of older versions say less: `code` is empty in version 1, `definition` and `loaded` before 3.
    """

    address: str
    argv: tuple[str, ...]
    params: Mapping[str, Any]
    seed: int | None
    device: str
    code: Mapping[str, str]
    environment: Mapping[str, str | None]
    inputs: tuple[Item, ...]
    outputs: tuple[Item, ...]
    definition: str = ""
    loaded: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, Any] | None = None
    kernels: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    @property
    def stage(self) -> str:
        """The stage's name without matrix values."""
        return self.address.partition("@")[0]

    @property
    def path(self) -> str:
        """Where the receipt lies."""
        return f"{RECEIPTS}/{self.address}.json"

    def ran_as(self, definition: Definition) -> bool:
        """Whether the stage is defined as it was when it ran; older receipts do not say."""
        return self.definition == definition.digest

    def output(self, path: str) -> Item | None:
        """The output at `path`, or None."""
        return next((item for item in self.outputs if item.path == path), None)

    def only(self, outputs: Collection[str]) -> "Receipt":
        """The receipt with these outputs alone and what stands behind them; `""` among them: all of it."""
        if "" in outputs:
            return self
        inputs = (
            item
            for item in self.inputs
            if any(stands_behind(item.path, output) for output in outputs)
        )
        own = (item for item in self.outputs if item.path in outputs)
        return replace(self, inputs=tuple(inputs), outputs=tuple(own))


@dataclass
class Graph:
    """A tree's stages.

    Attributes:
        params: all of params.yaml.
        definitions: every stage that dvc.yaml and the parameters define, by address.
        receipts: by address; also those of stages that are defined no more.
        unreadable: receipt path -> why it cannot be read.
        lock: dvc.lock by address; None where there is no such file, or none that can be read.
        lock_fault: why dvc.lock cannot be read; the empty string where it can, or is absent.
        order: address -> place in an order in which makers come before readers.
    """

    params: Mapping[str, Any]
    definitions: Mapping[str, Definition]
    receipts: Mapping[str, Receipt]
    unreadable: Mapping[str, str]
    lock: Mapping[str, Locked] | None
    lock_fault: str = ""
    makers: Makers = field(init=False)
    order: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = Makers(self.definitions)
        self.order = _order(self.definitions)

    def maker(self, item: Item) -> Receipt | None:
        """The receipt of the stage that made an input, as the input's reader has recorded it."""
        address = item.stage or self.makers.of(item.path)
        return self.receipts.get(address) if address else None

    def upstream(self, items: Iterable[Item]) -> dict[str, Receipt]:
        """All receipts above some inputs, by address, through recorded inputs.

        The receipt of a stage that makes the rows of all runs is reduced to the rows that are asked for.
        """
        wanted: dict[
            str, dict[str, None]
        ] = {}  # by address the rows of runs, "" for all that it wrote
        queue = list(items)
        while queue:
            item = queue.pop()
            maker, rows = self.maker(item), rows_of(item.path)
            if maker is None or rows in wanted.setdefault(maker.address, {}):
                continue
            wanted[maker.address][rows] = None
            queue += (one for one in maker.inputs if stands_behind(one.path, item.path))
        return {address: self.receipts[address].only(rows) for address, rows in wanted.items()}

    def active(self) -> Iterator[Receipt]:
        """Receipts of stages that are defined, makers first."""
        for address in sorted(self.definitions, key=lambda name: self.order[name]):
            if address in self.receipts:
                yield self.receipts[address]


def load_graph(form: Form | None = None, heeds_list: bool = True) -> Graph:
    """Read the tree in the working folder.

    Args:
        form: judges every receipt's form; a receipt of another form counts as unreadable.
        heeds_list: whether files that `.dvcignore` lists are left out; in a received tree they are not.

    Raises:
        InputError: dvc.yaml, params.yaml or dvc.lock cannot be read.
    """
    params = _mapping("params.yaml")
    receipts, unreadable = {}, {}
    for path in sorted(RECEIPTS.glob("*.json")):
        if heeds_list and is_ignored(path):
            continue
        try:
            facts = parse_json(read_regular(path))
            if form:
                judge(facts, form)
            receipt = receipt_of(facts)
        except InputError as error:
            unreadable[path.as_posix()] = str(error)
            continue
        if receipt.path != path.as_posix():
            unreadable[path.as_posix()] = f"says it is of stage {receipt.address}"
            continue
        receipts[receipt.address] = receipt
    lock, fault = read_lock()
    return Graph(params, _define(params), receipts, unreadable, lock, fault)


def _mapping(path: str) -> Mapping[str, Any]:
    """A YAML file of the project, by libyaml; what that cannot read is told by the reader that is strict.

    Raises:
        InputError: the file is missing or is no mapping.
    """
    try:
        return parse_yaml(read_regular(path))
    except InputError:
        return read_yaml(path)


def _define(params: Mapping[str, Any]) -> dict[str, Definition]:
    """Every stage that dvc.yaml defines.

    Raises:
        InputError: it is not what a definition of stages looks like.
    """
    try:
        return define_all(params, _mapping("dvc.yaml")["stages"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(
            f"dvc.yaml: does not define stages ({type(error).__name__}: {error}); git checkout dvc.yaml"
        ) from error


def parse_receipt(content: bytes) -> Receipt:
    """A receipt from its bytes.

    Raises:
        InputError: it is no JSON, lacks a field or names a path that leaves the checkout.
    """
    return receipt_of(parse_json(content))


def receipt_of(facts: Any) -> Receipt:
    """A receipt from what stands in it.

    Raises:
        InputError: it lacks a field or names a path that leaves the checkout.
    """
    try:
        receipt = Receipt(
            address=str(facts["stage"]),
            argv=tuple(facts["argv"]),
            params=dict(facts["params"]),
            seed=facts["seed"],
            device=str(facts["device"]),
            code=dict(facts.get("code", {})),
            environment=dict(facts.get("environment", {})),
            inputs=tuple(_item(entry) for entry in facts["inputs"]),
            outputs=tuple(_item(entry) for entry in facts["outputs"]),
            definition=str(facts.get("definition", "")),
            loaded=dict(facts.get("loaded", {})),
            seeds=facts.get("seeds"),
            kernels=dict(facts.get("kernels", {})),
            version=int(facts.get("version", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"no receipt ({type(error).__name__}: {error})") from error
    for path in (
        *(item.path for item in (*receipt.inputs, *receipt.outputs)),
        *receipt.code,
        *receipt.loaded,
    ):
        if path_fault(path):
            raise InputError(f"the path {path!r} {path_fault(path)}")
    return receipt


def _item(entry: Mapping[str, Any]) -> Item:
    return Item(
        str(entry["path"]), str(entry["sha256"]), int(entry["bytes"]), entry.get("stage") or None
    )


def plain_params(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by key in a form that compares equal wherever they were read from."""
    return {str(key): json.loads(json.dumps(value)) for key, value in values.items()}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys whose values differ, as `key: old -> new`, sorted."""
    first, second = plain_params(old), plain_params(new)
    absent = "(absent)"
    return [
        f"{key}: {first.get(key, absent)} -> {second.get(key, absent)}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key, absent) != second.get(key, absent)
    ]


def _order(definitions: Mapping[str, Definition]) -> dict[str, int]:
    """Places in a topological order; among equals that of dvc.yaml."""
    outs = sorted(
        (out.rstrip("/"), address) for address, one in definitions.items() for out in one.outputs
    )
    above = {
        address: set(_makers_of(one.data, outs)) - {address} for address, one in definitions.items()
    }
    places: dict[str, int] = {}
    waiting = list(definitions)
    while waiting:
        ready = [name for name in waiting if above[name] <= places.keys()]
        if not ready:
            raise InputError(f"dvc.yaml: the stages {', '.join(waiting)} depend on each other")
        for name in ready:
            places[name] = len(places)
        waiting = [name for name in waiting if name not in places]
    return places


def _makers_of(deps: Iterable[str], outs: list[tuple[str, str]]) -> Iterator[str]:
    """Stages with an out that is a dep, lies in one, or holds one."""
    exact = dict(outs)
    for dep in (name.rstrip("/") for name in deps):
        for name in (dep, *(parent.as_posix() for parent in PurePosixPath(dep).parents)):
            if name in exact:
                yield exact[name]
        for out, address in outs[bisect_left(outs, (dep + "/", "")) :]:
            if not out.startswith(dep + "/"):
                break
            yield address
