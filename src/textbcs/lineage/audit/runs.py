"""MIXED-DEVICE, SEED-REUSE and TEST-PEEK: what the receipts of training, selection and tables say."""

from collections.abc import Iterator

from textbcs.base.io import canonical_json
from textbcs.lineage.records.findings import Finding, some
from textbcs.lineage.records.graph import Graph, Item, Receipt, plain_params
from textbcs.lineage.records.stage_roles import (
    EVALUATES,
    LEARNS,
    PREDICTS,
    REPLICATE,
    VOLUME_MAPS,
    is_test,
)
from textbcs.stage.definition import covered

COMPARES = ("reports/tables", "results/statistics")


def comparisons(graph: Graph) -> Iterator[tuple[Receipt, list[Item]]]:
    """Each stage that writes tables or statistics, with the runs whose rows it read, as their slices.csv."""
    for receipt in graph.active():
        if not any(covered(item.path, COMPARES) for item in receipt.outputs):
            continue
        runs = [
            item
            for item in receipt.inputs
            if covered(item.path, ("results/evaluation",))
            and item.path.endswith("/slices.csv")
            and graph.maker(item)
        ]
        if runs:
            yield receipt, runs


def check_devices(graph: Graph) -> Iterator[Finding]:
    """Tables whose rows come from different classes of device.

    Rows are compared stage by stage: all may be trained on one class and predicted on another.
    """
    mixed: dict[str, list[Receipt]] = {}
    for table, runs in comparisons(graph):
        devices: dict[str, dict[str, list[str]]] = {}
        for run in runs:
            for one in graph.upstream([run]).values():
                if PREDICTS.fullmatch(one.stage) or LEARNS.fullmatch(one.stage):
                    kind = one.stage.removesuffix(REPLICATE)
                    names = devices.setdefault(kind, {}).setdefault(one.device, [])
                    if one.address not in names:
                        names.append(one.address)
        for by_class in devices.values():
            if len(by_class) > 1:
                parts = (f"{some(names)} on {device}" for device, names in sorted(by_class.items()))
                mixed.setdefault("; ".join(parts), []).append(table)
    for detail, (first, *others) in mixed.items():
        also = f" (also {some(one.address for one in others)})" if others else ""
        yield Finding("MIXED-DEVICE", first.address, first.path, detail + also)


def check_seeds(graph: Graph) -> Iterator[Finding]:
    """Replicates of one configuration that are no replicates."""
    groups: dict[str, list[Receipt]] = {}
    for receipt in graph.active():
        items = graph.definitions[receipt.address].items
        if "seed" in items and LEARNS.fullmatch(receipt.stage):
            others = {name: value for name, value in items.items() if name != "seed"}
            kind = receipt.stage.removesuffix(REPLICATE)
            key = canonical_json([kind, others, plain_params(receipt.params)])
            groups.setdefault(key, []).append(receipt)
    for group in groups.values():
        for number, later in enumerate(group):
            for earlier in group[:number]:
                shared = _shared(earlier, later)
                if shared:
                    detail = f"{shared} of {earlier.address}, of which it is a replicate"
                    yield Finding("SEED-REUSE", later.address, later.path, detail)
                    break


def _shared(first: Receipt, second: Receipt) -> str:
    """What two runs have in common that replicates must not: a seed or weights; "" if nothing."""
    if first.seed is not None and first.seed == second.seed:
        return f"has the seed {second.seed}"
    weights = {item.sha256 for item in first.outputs if item.path.endswith(".safetensors")}
    for item in second.outputs:
        if item.path.endswith(".safetensors") and item.sha256 in weights:
            return f"{item.path} has the weights"
    return ""


def check_test_peek(graph: Graph) -> Iterator[Finding]:
    """Stages that learn or select and have read, or may read, what belongs to the test split.

    What a stage computed from test data counts as such, whatever it is: a table of scores, for instance.
    """
    found = learners(graph)
    computed = _computed_on_test(graph, set(found))
    for address in found:
        definition, receipt = graph.definitions[address], graph.receipts.get(address)
        read = [item.path for item in receipt.inputs] if receipt else []
        seen = sorted(
            path
            for path in {*read, *definition.data}
            if is_test(path) or graph.makers.of(path) in computed
        )
        if seen:
            path = receipt.path if receipt else "dvc.yaml"
            detail = f"it learns or selects and reads {some(seen)}"
            yield Finding("TEST-PEEK", address, path, detail)


def _computed_on_test(graph: Graph, apart: set[str]) -> set[str]:
    """Stages whose outputs carry what the test split says.

    Apart from those that learn (a fault of their own) and those that cut the splits.
    """
    found: set[str] = set()
    for receipt in graph.active():
        cuts = any(is_test(item.path) for item in receipt.outputs)
        if cuts or receipt.address in apart:
            continue
        if any(is_test(one.path) or graph.makers.of(one.path) in found for one in receipt.inputs):
            found.add(receipt.address)
    return found


def learners(graph: Graph) -> list[str]:
    """Stages that learn or select, makers first: by name, or because an evaluation rests on them.

    What an evaluation reads apart from test data was learned or chosen; so was what went into that.
    The stages that cut the splits write test data themselves and are none of these.
    """
    found = {name for name, one in graph.definitions.items() if LEARNS.fullmatch(one.stage)}
    seen: set[str] = set()
    queue = [one for one in graph.active() if EVALUATES.fullmatch(one.stage)]
    while queue:
        reader = queue.pop()
        for item in reader.inputs:
            maker = graph.maker(item)
            if maker is None or is_test(item.path) or maker.address not in graph.definitions:
                continue
            if any(is_test(out) for out in graph.definitions[maker.address].outputs):
                continue
            # Its maps of validation volumes stand beside those of test; its own inputs are in the queue.
            if VOLUME_MAPS.fullmatch(maker.stage):
                continue
            if maker.address not in seen:
                seen.add(maker.address)
                found.add(maker.address)
                queue.append(maker)
    return sorted(found, key=lambda name: graph.order[name])
