"""The verdict of an audit for people and for programs: what was found, what was judged, what was left out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from textbcs.lineage.audit.cost import Cost
from textbcs.lineage.records.findings import CLASSES, Finding, counted, visible
from textbcs.lineage.records.hashing import Hashes

HONESTY = (
    "Receipts are no proof of honesty: whoever writes all of them can invent a run. What can be done about "
    "that: docs/explanation/audit.md"
)


@dataclass(frozen=True)
class Judged:
    """What an audit has looked at.

    Attributes:
        stages: that have a receipt.
        defined: stages that there are.
        cells: of tables that were computed again from their rows.
        replayed: stages that were run again.
        left_out: what was not judged, a line each.
    """

    stages: int
    defined: int = 0
    cells: int = 0
    replayed: int = 0
    left_out: Sequence[str] = field(default_factory=list)


@dataclass
class Report:
    """The audit's verdict: faults, the first bad node first, remarks, and what was done."""

    findings: Sequence[Finding]
    remarks: Sequence[str]
    hashes: Hashes
    judged: Judged
    cost: Cost | None = None
    seal: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether there is no fault, and something that was judged."""
        return not self.findings and self.judged.stages > 0


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
    lines += _summary(report)
    return [visible(line) for line in [*lines, *_verdict(report)]]


def _summary(report: Report) -> Iterator[str]:
    """What was done, and what was left out."""
    hashes, judged = report.hashes, report.judged
    rate = hashes.bytes / 1e6 / hashes.seconds if hashes.seconds else 0.0
    again = f", {hashes.remembered} taken from the last audit" if hashes.remembered else ""
    stages = counted(judged.stages, "stage")
    if judged.defined:
        stages = f"{judged.stages} of {counted(judged.defined, 'stage')}"
    yield (
        f"judged {stages} by their receipts; hashed {counted(hashes.files, 'file')}, "
        f"{hashes.bytes / 1e6:.1f} MB in {hashes.seconds:.1f} s ({rate:.0f} MB/s){again}"
    )
    yield (
        f"computed {counted(judged.cells, 'cell')} of tables again from their rows; "
        f"ran {counted(judged.replayed, 'stage')} again"
    )
    for text in judged.left_out:
        yield f"left out: {text}"
    if report.cost:
        yield report.cost.text()
    if report.seal and report.is_clean:
        yield f"seal of all receipts and outputs: {report.seal}"


def _verdict(report: Report) -> Iterator[str]:
    if not report.findings and not report.judged.stages:
        yield "nothing to judge: no stage has a receipt here; run snakemake, or dvc pull"
    elif not report.findings:
        means = ["hashes"]
        means += ["recomputation"] if report.judged.cells else []
        means += ["replay"] if report.judged.replayed else []
        stages = counted(report.judged.stages, "stage")
        yield f"clean by {', '.join(means)}: {stages} left what the receipts say"
        yield HONESTY
    else:
        counts = Counter(one.kind for one in report.findings)
        kinds = ", ".join(f"{counts[kind]} {kind}" for kind in CLASSES if counts[kind])
        yield f"{kinds}; first bad node: {report.findings[0].node or '-'}"


def as_verdict(report: Report) -> dict[str, Any]:
    """What a crate carries: the verdict alone, so that two exports of one tree are equal."""
    whole = as_json(report)
    del whole["receipt_cost"], whole["hashed"]
    return whole


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs."""
    hashes = report.hashes
    return {
        "clean": report.is_clean,
        "first_bad_node": report.findings[0].node if report.findings else None,
        "findings": [
            {**asdict(one), "evidence": list(one.evidence), "meaning": CLASSES[one.kind]}
            for one in report.findings
        ],
        "remarks": list(report.remarks),
        "stages": report.judged.stages,
        "judged": {**asdict(report.judged), "left_out": list(report.judged.left_out)},
        "hashed": {
            "files": hashes.files,
            "bytes": hashes.bytes,
            "seconds": round(hashes.seconds, 3),
            "remembered": hashes.remembered,
        },
        "seal": (report.seal or None) if report.is_clean else None,
        "receipt_cost": asdict(report.cost) if report.cost else None,
        "no_proof": HONESTY,
    }
