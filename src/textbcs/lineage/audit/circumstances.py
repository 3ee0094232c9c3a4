"""CONTRADICTION: what a receipt says of the device, the kernels and the code that was loaded, by what is
recorded elsewhere: its parameters, the code itself, the run information.

What a stage must have read cannot be told: some read a file only with some parameters. So an input that is
declared and not named is a remark.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from textbcs.base import kernels
from textbcs.lineage.records.findings import Finding, Remark, counted, short, some
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.records.imports import loaded_with
from textbcs.lineage.records.tree import Tree
from textbcs.stage.definition import covered
from textbcs.stage.receipt import ENVIRONMENT, VERSION

_CHOOSES = "src/textbcs/base/kernels.py"
# What surrounds every stage, and writes its receipt.
_AROUND = ("workflow/own_code.py", "src/textbcs/stages/__init__.py", "src/textbcs/stage/receipt.py")
_NETWORKS = ("results/runs", "results/predictions")
# The first stands there for the order of the stages alone; the second is read with some parameters.
_NOT_READ = {("cohort", "data/phantom/manifest.csv"), ("prompt_check", "data/volumes/val")}
_OWN = ", its own"
_X86 = ("x86_64", "AMD64")


def check_circumstances(tree: Tree) -> Iterator[Finding | Remark]:
    """Device, kernels and loaded code of each receipt of this version of the form."""
    others: dict[str, list[str]] = {}
    for receipt in tree.graph.active():
        if receipt.version != VERSION:
            continue
        faults = [*_kernels(tree, receipt), *_device(receipt), *_loaded(tree, receipt)]
        if faults:
            yield Finding("CONTRADICTION", receipt.address, receipt.path, "; ".join(faults))
        if receipt.device.startswith("cpu "):
            others.setdefault(receipt.device, []).append(receipt.address)
    if len(others) > 1:
        rare = sorted(others.items(), key=lambda one: len(one[1]))[:-1]
        parts = "; ".join(f"{some(names)} on {device}" for device, names in rare)
        yield Remark(f"stages ran on several classes of CPU: {parts}")


def _kernels(tree: Tree, receipt: Receipt) -> Iterator[str]:
    """Kernels that the project's code does not choose, and a device that has others."""
    said, then = receipt.kernels, receipt.code.get(_CHOOSES)
    if then not in (None, tree.sha256(_CHOOSES)):
        return  # other code chose them, and the stage is STALE
    bound = {**kernels.KERNELS, **kernels.THREADS}
    if said not in (bound, kernels.THREADS):
        moved = sorted({*bound.items()} ^ {*said.items()})
        yield f"kernels that no stage runs with: {some(dict.fromkeys(name for name, _ in moved))}"
    elif receipt.device == f"cpu {kernels.NAME}" and said != bound:
        yield f"device {receipt.device!r}, but the kernels were not bound"
    elif receipt.device.endswith(_OWN) and said == bound:
        yield f"device {receipt.device!r}, but the kernels were bound"


def _device(receipt: Receipt) -> Iterator[str]:
    """A device that no stage writes, or that the parameters do not name."""
    kind, _, rest = receipt.device.partition(" ")
    if kind == "cpu" and rest != kernels.NAME and not rest.endswith(_OWN):
        yield f"device {receipt.device!r}, which no stage writes"
    wanted = {value for key, value in receipt.params.items() if _names_device(key)}
    if kind == "cuda" and "cuda" not in wanted:
        yield f"device {receipt.device!r}, its parameters do not ask for a GPU"
    if kind == "cpu" and wanted == {"cuda"} and _has_network(receipt):
        yield f"device {receipt.device!r}, its parameters ask for a GPU"


def _names_device(key: str) -> bool:
    return key == "training.device" or key.endswith(".training.device")


def _has_network(receipt: Receipt) -> bool:
    """Whether a stage has trained a network, or let one predict."""
    return any(
        item.path.endswith(".safetensors") and covered(item.path, _NETWORKS)
        for item in receipt.outputs
    )


def _loaded(tree: Tree, receipt: Receipt) -> Iterator[str]:
    """Modules that were loaded if the others were, and that the receipt does not name.

    A module that was another one then says nothing of what it imported.
    """
    named = {**receipt.code, **receipt.loaded}
    exists = cache(lambda path: Path(path).is_file())
    queue = [path for path in _AROUND if exists(path)]
    queue += [path for path in receipt.code if path.startswith("src/textbcs/stages/")]
    missing: dict[str, None] = {}
    seen = set(queue)
    while queue:
        path = queue.pop()
        if path not in named:
            missing[path] = None
            continue
        if named[path] == tree.sha256(path):
            more = [one for one in _loaded_with(path, named[path]) if one not in seen]
            seen |= {*more}
            queue += more
    if missing:
        yield f"it does not name modules that it loaded: {some(sorted(missing))}"


@cache
def _loaded_with(path: str, sha256: str) -> tuple[str, ...]:
    """What is loaded with a file of that content; the same for all stages."""
    return tuple(loaded_with(path, lambda name: Path(name).is_file()))


def check_surroundings(tree: Tree) -> Iterator[Remark]:
    """What was loaded around stages, where it is another one now: no result depends on it."""
    older: dict[str, None] = {}
    names = []
    for receipt in tree.graph.active():
        others = [path for path, digest in receipt.loaded.items() if tree.sha256(path) != digest]
        older |= dict.fromkeys(sorted(others))
        names += [receipt.address] if others else []
    if names:
        count = counted(len(names), "stage")
        yield Remark(
            f"run by other code around the stage than lies here: {count}, by {some(older)}"
        )


def check_inputs(tree: Tree) -> Iterator[Remark]:
    """Declared inputs of which a receipt names nothing; a stage that read nothing had nothing to do."""
    graph = tree.graph
    unread: list[str] = []
    for receipt in graph.active():
        definition = graph.definitions[receipt.address]
        read = [item.path for item in receipt.inputs]
        if not receipt.ran_as(definition) or not any(graph.makers.of(path) for path in read):
            continue
        unread += [
            f"{receipt.address} {name}"
            for name in definition.data
            if graph.makers.of(name)
            and (receipt.stage, name) not in _NOT_READ
            and not any(covered(path, (name,)) for path in read)
        ]
    if unread:
        yield Remark(f"receipts name nothing of an input that dvc.yaml declares: {some(unread, 9)}")


def machine_faults(receipt: Receipt, facts: Mapping[str, Any]) -> Iterator[str]:
    """What the run information says of the machine, and the receipt's device denies."""
    if receipt.version != VERSION:
        return
    host = facts.get("host")
    told = host if isinstance(host, dict) else {}
    flags, vendor = told.get("instructions"), told.get("vendor")
    is_bound = isinstance(flags, list) and {"avx2", "fma"} <= {str(one) for one in flags}
    kind, _, rest = receipt.device.partition(" ")
    machine = rest.removesuffix(_OWN)
    if kind == "cuda" and not facts.get("card"):
        yield f"it ran without a GPU, its receipt says {receipt.device!r}"
    elif kind == "cpu" and isinstance(flags, list):
        is_x86 = rest == kernels.NAME or machine in _X86
        other = is_x86 and is_bound != (rest == kernels.NAME)
        if other or (not is_x86 and vendor in ("GenuineIntel", "AuthenticAMD")):
            text = f"{told.get('processor')} with {', '.join(map(str, flags)) or 'none of AVX2 and FMA'}"
            yield f"its machine was {text}, its receipt says {receipt.device!r}"


def check_environment(tree: Tree) -> Iterator[Remark]:
    """Stages that ran under another lock of the environment: no fault, but worth knowing."""
    now = tree.sha256(ENVIRONMENT)
    others: dict[str, list[str]] = {}
    without = []
    for receipt in tree.graph.active():
        said = receipt.environment.get(ENVIRONMENT)
        if said is None and receipt.version == VERSION:
            without.append(receipt.address)
        elif said not in (None, now):
            others.setdefault(said, []).append(receipt.address)
    for said, names in others.items():
        yield Remark(
            f"{counted(len(names), 'stage')} ran under another {ENVIRONMENT} ({short(said)}): {some(names)}"
        )
    if without:
        yield Remark(f"no {ENVIRONMENT} was there when these ran: {some(without)}")
