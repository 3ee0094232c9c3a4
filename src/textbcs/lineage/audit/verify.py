"""`textbcs audit verify`: does everything that lies here come from what it says it comes from?

Hashes every file itself (DVC trusts sizes and times), runs all checks, names the first bad node first.
Writes only `.cache/audit`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from textbcs.base.io import InputError
from textbcs.lineage.audit import (
    circumstances,
    content,
    definitions,
    files,
    lock,
    run_facts,
    runs,
    strangers,
)
from textbcs.lineage.audit.cost import receipt_cost
from textbcs.lineage.audit.remembered import recall, remember
from textbcs.lineage.audit.summary import Judged, Report
from textbcs.lineage.records.findings import CLASSES, Finding, Remark, counted
from textbcs.lineage.records.form import Form
from textbcs.lineage.records.graph import Graph, load_graph
from textbcs.lineage.records.tree import Tree, load_tree
from textbcs.lineage.replay.replaying import Replayed, as_findings, run_again
from textbcs.lineage.replay.selection import Choice
from textbcs.lineage.seal.sealing import check_seal, digests_here, root_of
from textbcs.lineage.seal.trainings import check_trainings

Found: TypeAlias = "Finding | Remark"
_INTEGRITY = ("TAMPERED", "MISSING", "UNREADABLE")


@dataclass(frozen=True)
class Deep:
    """What a deep audit does again, beside all stages that train nothing.

    Attributes:
        sample: batches a run and split that are predicted again where a stage cannot run again; 0: all.
        trainings: how many trainings are run again.
        seed: of the draw of both; None: a fresh one.
        stages: how many of the stages that train nothing are run again, drawn, too; 0: all.
    """

    sample: int = 1
    trainings: int = 0
    seed: int | None = None
    stages: int = 0


def verify(
    quick: bool = False, deep: Deep | None = None, against: str = "", head: str = ""
) -> Report:
    """Audit the tree in the working folder.

    Args:
        quick: trust sizes and times since the last audit.
        deep: also run stages again, and compute table cells, rows and predictions by code of its own.
        against: a seal that what lies here has to have; the empty string asks for none.
        head: the head of the list of trainings, as `seal` printed it once; likewise.

    Raises:
        InputError: dvc.yaml or params.yaml cannot be read, or `against` is no seal.
    """
    plain = not (deep or against or head)
    known = recall() if quick and plain else None
    if known is not None:
        return known
    tree, report = audited(quick, deep, against, head)
    if plain:
        remember(tree, report)
    return report


def audited(
    quick: bool = False, deep: Deep | None = None, against: str = "", head: str = ""
) -> tuple[Tree, Report]:
    """The hashed tree and what `verify` says of it."""
    graph = load_graph(Form())
    tree = load_tree(graph, quick)
    found = list(_checks(tree))
    found += guarded("trainings", lambda: check_trainings(tree, head))
    found += check_seal(tree, against) if against else []
    replayed = None
    if deep:
        more, replayed = _deep(tree, found, deep)
        found += more
    findings, remarks = _settle([one for one in found if isinstance(one, Finding)])
    told = [one for one in found if isinstance(one, Remark)]
    remarks += [one.text for one in told]
    return tree, Report(
        in_order(findings, graph),
        remarks,
        tree.hashes,
        _judged(tree, told, replayed),
        receipt_cost(),
        root_of(digests_here(tree)),
    )


def _judged(tree: Tree, told: Iterable[Remark], replayed: Replayed | None) -> Judged:
    """What was looked at, and what was left out."""
    graph = tree.graph
    never = [name for name in graph.definitions if _never_ran(graph, name)]
    left = [f"{len(never)} of {len(graph.definitions)} stages have not run yet"] if never else []
    left += [one.left_out for one in told if one.left_out]
    if tree.folders.ignored:
        left.append(
            f"{counted(len(tree.folders.ignored), 'file')} with names that .dvcignore lists"
        )
    if tree.hashes.remembered:
        left.append(f"the bytes of {tree.hashes.remembered} files that --quick took as they were")
    if replayed is None:
        left.append(
            "no stage was run again, no cell or score computed again (--deep, or audit replay)"
        )
    else:
        left += replayed.left_out()
    return Judged(
        stages=sum(1 for _ in graph.active()),
        defined=len(graph.definitions),
        cells=sum(one.cells for one in told),
        replayed=replayed.equal if replayed else 0,
        left_out=left,
    )


def _never_ran(graph: Graph, address: str) -> bool:
    return address not in graph.receipts and address not in (graph.lock or {})


def _deep(tree: Tree, found: Iterable[Found], options: Deep) -> tuple[list[Found], Replayed]:
    """What is computed again; what rests on a stale stage is left out."""
    from textbcs.lineage.audit.predictions import check_predictions
    from textbcs.lineage.audit.recomputation import check_cells
    from textbcs.lineage.audit.scores import check_scores

    judged = (one for one in found if isinstance(one, Finding))
    stale = {one.node for one in judged if one.kind in ("STALE", "FORGED-LOCK")}
    choice = Choice((), options.stages, options.trainings, options.seed)
    replayed = run_again(tree, choice)
    equal = {one.address for one in replayed.replays if one.outcome == "equal"}
    return [
        *as_findings(replayed.replays),
        *guarded("table cells", lambda: check_cells(tree, stale)),
        *guarded("rows of slices", lambda: check_scores(tree, stale)),
        *guarded(
            "predictions",
            lambda: check_predictions(tree, options.sample, stale, replayed.seed, equal),
        ),
    ], replayed


def _checks(tree: Tree) -> Iterator[Found]:
    """All checks of `audit verify`; a node whose lock is forged is not called stale as well."""
    graph = tree.graph
    yield from guarded("receipts", lambda: files.check_receipts(tree))
    yield from guarded("versions of receipts", lambda: definitions.check_versions(tree))
    yield from guarded("definitions", lambda: definitions.check_definitions(tree))
    yield from guarded("circumstances", lambda: circumstances.check_circumstances(tree))
    yield from guarded("declared inputs", lambda: circumstances.check_inputs(tree))
    yield from guarded("code around stages", lambda: circumstances.check_surroundings(tree))
    yield from guarded("outputs", lambda: files.check_outputs(tree))
    yield from guarded("sizes", lambda: files.check_sizes(tree))
    yield from guarded("inputs from outside", lambda: files.check_outside_inputs(tree))
    yield from guarded("orphans", lambda: strangers.check_orphans(tree))
    yield from guarded("folders of reports", lambda: strangers.check_reports(tree))
    yield from guarded("files that no list names", lambda: strangers.check_unlisted(tree))
    yield from guarded("run information's folder", lambda: strangers.check_runinfo_folder(tree))
    yield from guarded("names that are ignored", lambda: strangers.check_ignored(tree))
    yield from guarded("listed files", lambda: files.check_listed(tree))
    yield from guarded("DVC's cache", lambda: files.check_cache(tree))
    locked = list(guarded("dvc.lock", lambda: lock.check_lock(tree)))
    yield from locked
    forged = {one.node for one in locked if isinstance(one, Finding) and one.kind == "FORGED-LOCK"}
    yield from guarded("what is stale", lambda: lock.check_stale(tree, forged))
    yield from guarded("code in commits", lambda: lock.check_code(tree))
    yield from guarded("dvc.yaml in git", lambda: lock.check_definition_file(tree))
    yield from guarded("environments", lambda: circumstances.check_environment(tree))
    yield from guarded("older receipts", lambda: lock.check_older(tree))
    yield from guarded("run information", lambda: run_facts.check_run_information(tree))
    yield from guarded("devices", lambda: runs.check_devices(graph))
    yield from guarded("seeds", lambda: runs.check_seeds(graph))
    yield from guarded("use of test data", lambda: runs.check_test_peek(graph))
    yield from guarded("leaks", lambda: content.check_leaks(tree))
    yield from guarded("denominators", lambda: content.check_denominators(tree))
    yield from guarded("counts", lambda: content.check_counts(tree))
    for path, reason in tree.unread.items():
        yield Finding("UNREADABLE", tree.node(path), path, reason)


def guarded(name: str, check: Callable[[], Iterable[Found]]) -> Iterator[Found]:
    """What a check says; where it breaks off, that is a finding, and the other checks go on.

    Whatever lies in a tree was put there by somebody: no content of a file may end an audit.
    """
    try:
        yield from check()
    except InputError as error:
        yield Finding("UNJUDGED", "", "", f"{name}: {error}")
    except Exception as error:
        yield Finding("UNJUDGED", "", "", f"{name}: {type(error).__name__}: {error}")


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
