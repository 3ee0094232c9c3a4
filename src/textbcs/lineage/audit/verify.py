"""`textbcs audit verify`: does everything that lies here come from what it says it comes from?

Hashes every file itself (DVC trusts sizes and times), runs all checks, names the first bad node first.
Writes only `.cache/audit`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from textbcs.lineage.audit import content, files, lock, runs
from textbcs.lineage.audit.cost import Cost, receipt_cost
from textbcs.lineage.records.findings import CLASSES, Finding, Remark
from textbcs.lineage.records.form import Form
from textbcs.lineage.records.graph import Graph, load_graph
from textbcs.lineage.records.tree import Tree, load_tree

_INTEGRITY = ("TAMPERED", "MISSING")


@dataclass
class Report:
    """The audit's verdict: faults, the first bad node first, remarks, and what was done."""

    findings: Sequence[Finding]
    remarks: Sequence[str]
    stages: int
    files: int
    bytes: int
    seconds: float
    remembered: int
    cost: Cost | None

    @property
    def is_clean(self) -> bool:
        """Whether there is no fault."""
        return not self.findings


def verify(quick: bool = False, deep: bool = False, sample: int = 1) -> Report:
    """Audit the tree in the working folder.

    Args:
        quick: trust sizes and times since the last audit.
        deep: also compute table cells, per-slice rows and a sample of predictions again.
        sample: with `deep`, batches a run and split that are predicted again.

    Raises:
        InputError: dvc.yaml, params.yaml or dvc.lock cannot be read.
    """
    graph = load_graph(Form())
    tree = load_tree(graph, quick)
    found = list(_checks(tree))
    if deep:
        from textbcs.lineage.audit.predictions import check_predictions
        from textbcs.lineage.audit.recomputation import check_cells
        from textbcs.lineage.audit.scores import check_scores

        judged = (one for one in found if isinstance(one, Finding))
        stale = {one.node for one in judged if one.kind in ("STALE", "FORGED-LOCK")}
        found += [*check_cells(tree, stale), *check_scores(tree, stale)]
        found += check_predictions(tree, sample, stale)
    findings, remarks = _settle([one for one in found if isinstance(one, Finding)])
    remarks += [one.text for one in found if isinstance(one, Remark)]
    never = [name for name in graph.definitions if _never_ran(graph, name)]
    if never:
        remarks.append(f"{len(never)} of {len(graph.definitions)} stages have not run yet")
    hashes = tree.hashes
    return Report(
        in_order(findings, graph),
        remarks,
        sum(1 for _ in graph.active()),
        hashes.files,
        hashes.bytes,
        hashes.seconds,
        hashes.remembered,
        receipt_cost(),
    )


def _never_ran(graph: Graph, address: str) -> bool:
    return address not in graph.receipts and address not in (graph.lock or {})


def _checks(tree: Tree) -> Iterable[Finding | Remark]:
    """All checks of `audit verify`; a node whose lock is forged is not called stale as well."""
    graph = tree.graph
    yield from files.check_receipts(tree)
    yield from files.check_outputs(tree)
    yield from files.check_outside_inputs(tree)
    yield from files.check_orphans(tree)
    yield from files.check_listed(tree)
    yield from files.check_cache(tree)
    locked = list(lock.check_lock(tree))
    yield from locked
    forged = {one.node for one in locked if one.kind == "FORGED-LOCK"}
    yield from lock.check_stale(tree, forged)
    yield from lock.check_code(tree)
    yield from lock.check_environment(tree)
    yield from runs.check_devices(graph)
    yield from runs.check_seeds(graph)
    yield from runs.check_test_peek(graph)
    yield from content.check_leaks(tree)
    yield from content.check_denominators(tree)
    yield from content.check_counts(tree)


def _settle(found: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
    """Faults, and as remarks those judged on a file that is itself tampered with or missing.

    What such a file says is no fault of another stage: the file is.
    """
    broken = {one.path for one in found if one.kind in _INTEGRITY}
    faults, remarks = [], []
    for one in found:
        if one.kind not in _INTEGRITY and broken & {*one.evidence, one.path}:
            remarks.append(f"follows from a fault above: {one.kind} {one.node} {one.detail}")
        else:
            faults.append(one)
    return faults, remarks


def in_order(findings: Iterable[Finding], graph: Graph) -> list[Finding]:
    """Makers before readers; at one stage in the order of the classes; what has no stage last."""
    classes = list(CLASSES)
    last = len(graph.order)
    return sorted(
        findings,
        key=lambda one: (graph.order.get(one.node, last), classes.index(one.kind), one.path),
    )


def as_text(report: Report, limit: int = 20) -> list[str]:
    """The report for people: at most `limit` faults a class and node, remarks, a summary."""
    lines = []
    shown: Counter[tuple[str, str]] = Counter()
    for one in report.findings:
        shown[one.kind, one.node] += 1
        if shown[one.kind, one.node] <= limit:
            lines += [f"{one.kind:12} {one.node or '-'}  {one.path}", f"{'':12} {one.detail}"]
    lines += [
        f"{kind:12} {node or '-'}  and {count - limit} more"
        for (kind, node), count in shown.items()
        if count > limit
    ]
    lines += [f"note: {text}" for text in report.remarks]
    again = f", {report.remembered} taken from the last audit" if report.remembered else ""
    rate = report.bytes / 1e6 / report.seconds if report.seconds else 0.0
    lines.append(
        f"checked {report.stages} stages; hashed {report.files} files, {report.bytes / 1e6:.1f} MB "
        f"in {report.seconds:.1f} s ({rate:.0f} MB/s){again}"
    )
    if report.cost:
        lines.append(report.cost.text())
    if report.is_clean:
        return [*lines, "clean: every file is what its receipt says"]
    counts = Counter(one.kind for one in report.findings)
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in CLASSES if counts[kind])
    return [*lines, f"{kinds}; first bad node: {report.findings[0].node or '-'}"]


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs."""
    return {
        "clean": report.is_clean,
        "first_bad_node": report.findings[0].node if report.findings else None,
        "findings": [
            {**asdict(one), "evidence": list(one.evidence), "meaning": CLASSES[one.kind]}
            for one in report.findings
        ],
        "remarks": list(report.remarks),
        "stages": report.stages,
        "hashed": {
            "files": report.files,
            "bytes": report.bytes,
            "seconds": round(report.seconds, 3),
            "remembered": report.remembered,
        },
        "receipt_cost": asdict(report.cost) if report.cost else None,
    }
