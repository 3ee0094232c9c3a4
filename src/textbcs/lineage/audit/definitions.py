"""OLD-FORM and CONTRADICTION: does a receipt say of its stage what dvc.yaml says?

Where a stage is defined otherwise than when it ran it is STALE, and only that.
"""

import shlex
from collections.abc import Iterator

from textbcs.lineage.records.findings import Finding, counted, some
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.records.tree import Tree
from textbcs.stage.definition import Definition, covered
from textbcs.stage.receipt import ENVIRONMENT, VERSION
from textbcs.stage.receipt import seeds as declared_seeds

_LAUNCHER = ["exec", "workflow/stage"]


def check_versions(tree: Tree) -> Iterator[Finding]:
    """Receipts of another version of the form: one finding a version."""
    others: dict[int, list[Receipt]] = {}
    for receipt in tree.graph.active():
        if receipt.version != VERSION:
            others.setdefault(receipt.version, []).append(receipt)
    for version, receipts in others.items():
        detail = (
            f"{counted(len(receipts), 'receipt')} of version {version}, this is version {VERSION}: what is "
            f"not said is not judged; run the stages again ({some(one.address for one in receipts)})"
        )
        yield Finding("OLD-FORM", receipts[0].address, receipts[0].path, detail)


def check_definitions(tree: Tree) -> Iterator[Finding]:
    """Command, seeds, environment, outputs and inputs of each receipt against the definition."""
    writers: dict[str, str] = {}
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            other = writers.setdefault(item.path, receipt.address)
            if other != receipt.address:
                detail = f"{other} and {receipt.address} both say that they wrote {item.path}"
                yield Finding("CONTRADICTION", receipt.address, receipt.path, detail)
        definition = tree.graph.definitions[receipt.address]
        if receipt.definition and not receipt.ran_as(definition):
            continue
        faults = [*_run(receipt, definition), *_files(tree, receipt, definition)]
        if faults:
            yield Finding("CONTRADICTION", receipt.address, receipt.path, "; ".join(faults))


def _run(receipt: Receipt, definition: Definition) -> Iterator[str]:
    """What a receipt says of its run and the definition denies."""
    try:
        words = shlex.split(definition.command)
    except ValueError:
        words = []
    if words[:2] == _LAUNCHER and list(receipt.argv) != words[2:]:
        yield f"command {' '.join(receipt.argv)!r}, dvc.yaml has {' '.join(words[2:])!r}"
    if "seed" in definition.items and str(receipt.seed) != definition.items["seed"]:
        yield f"seed {receipt.seed}, dvc.yaml has {definition.items['seed']}"
    if receipt.seeds is not None and receipt.seeds != declared_seeds(receipt.seed, receipt.params):
        yield "its list of seeds is not that of its parameters"
    if receipt.version >= 2 and set(receipt.environment) != {ENVIRONMENT}:
        yield f"its environment is not named by {ENVIRONMENT} alone"


def _files(tree: Tree, receipt: Receipt, definition: Definition) -> Iterator[str]:
    """Outputs and inputs that are not the stage's, that stand twice, or have another maker."""
    for what, items, declared in (
        ("output", receipt.outputs, definition.outputs),
        ("input", receipt.inputs, definition.inputs),
    ):
        paths = [item.path for item in items]
        if len(set(paths)) != len(paths):
            yield f"an {what} stands twice: {some(sorted({p for p in paths if paths.count(p) > 1}))}"
        others = [path for path in paths if not covered(path, declared) or path == receipt.path]
        if others:
            yield f"{what} {some(others)}: dvc.yaml does not name it for this stage"
    makers = tree.graph.makers
    for item in receipt.inputs:
        if receipt.version >= 2 and item.stage != makers.of(item.path):
            said, made = item.stage or "outside", makers.of(item.path) or "outside"
            yield f"input {item.path} is from {said}, by dvc.yaml from {made}"
            return
