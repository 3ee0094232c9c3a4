"""The command `textbcs audit`: verify, replay, trace, pages, diff, export, check, seal."""

import argparse
import json
from typing import TYPE_CHECKING, TypeAlias

from textbcs.commands.arguments import add_command, number
from textbcs.commands.completion import FOLDER, REVISIONS, TRACED, completed
from textbcs.settings.working_copy import is_export, require_working_copy

if TYPE_CHECKING:
    from textbcs.lineage.audit.summary import Report

Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_audit(commands: Actions) -> None:
    """Add `audit` and its subcommands to the command line."""
    audit = add_command(commands, "audit", "where do these numbers come from, and is it true?")
    audit.description = (
        "Hash the results and compare them with the receipts of the stages, follow a number back to DICOM "
        "instances, compare revisions. Asks neither DVC nor Snakemake, and changes no result."
    )
    actions = audit.add_subparsers(required=True, metavar="ACTION", title="actions")
    reading = (_add_verify, _add_replay, _add_trace, _add_pages, _add_diff)
    for add in (*reading, _add_export, _add_check, _add_seal):
        add(actions)


def _add_verify(actions: Actions) -> None:
    verify = add_command(
        actions, "verify", "check everything against its receipt; exit code 1 on faults"
    )
    text = "an export to check; without it: the working copy, or the export, that is the working folder"
    completed(verify.add_argument("folder", nargs="?", metavar="EXPORT", help=text), FOLDER)
    verify.add_argument(
        "--quick", action="store_true", help="trust sizes and times since the last audit"
    )
    verify.add_argument(
        "--deep", action="store_true",
        help="run every stage but the trainings again; compute cells, scores and maps again",
    )  # fmt: skip
    verify.add_argument(
        "--sample", type=number(int, 0, 10**6), default=1, metavar="N",
        help="with --deep: batches a run and split, of runs whose maps cannot be made again; 0: all "
        "(%(default)s)",
    )  # fmt: skip
    verify.add_argument(
        "--stages", type=number(int, 1, 10**6), default=0, metavar="N",
        help="with --deep: run only N of the stages that train nothing again, drawn at random",
    )  # fmt: skip
    _add_draw(verify)
    verify.add_argument(
        "--against", default="", metavar="HASH", help="a seal: has anything changed since?"
    )
    verify.add_argument(
        "--head", default="", metavar="HASH", help="of the list of trainings, as seal printed it"
    )
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(run=_verify, anywhere=True)


def _add_draw(command: argparse.ArgumentParser) -> None:
    """What decides which trainings and samples are drawn."""
    command.add_argument(
        "--trainings", type=number(int, 0, 10**6), default=0, metavar="N",
        help="trainings to run again, drawn at random (%(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--seed", type=number(int, 0, 10**9), metavar="S", help="draw as an audit that printed S"
    )


def _add_replay(actions: Actions) -> None:
    replay = add_command(actions, "replay", "run stages again and compare what they write")
    text = "a stage, or its address (train@unet-1); without one: all that train nothing"
    completed(replay.add_argument("stages", nargs="*", metavar="STAGE", help=text), TRACED)
    what = replay.add_mutually_exclusive_group()
    what.add_argument(
        "--sample", type=number(int, 1, 10**6), default=0, metavar="N",
        help="only N of those that train nothing, drawn at random",
    )  # fmt: skip
    what.add_argument(
        "--all-but-training", action="store_true", help="all that train nothing (the default)"
    )
    _add_draw(replay)
    replay.add_argument("--json", action="store_true", help="print JSON")
    replay.set_defaults(run=_replay)


def _add_trace(actions: Actions) -> None:
    trace = add_command(actions, "trace", "from a cell, or any file, back to DICOM instances")
    text = "a table (table1, or its path), or any file of the pipeline"
    completed(trace.add_argument("target", help=text), TRACED)
    trace.add_argument("--row", help="name or number of the row")
    trace.add_argument("--col", help="column, as the .csv names it")
    form = trace.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with every instance")
    form.add_argument("--dot", action="store_true", help="print a graph for Graphviz")
    trace.add_argument("--seal", action="store_true", help="print the path to the seal, too")
    trace.set_defaults(run=_trace)


def _add_pages(actions: Actions) -> None:
    pages = add_command(actions, "pages", "write a page a table, with the trace of every cell")
    pages.set_defaults(run=_pages)


def _add_diff(actions: Actions) -> None:
    diff = add_command(actions, "diff", "which cells differ between two revisions, and why")
    text = "a git revision or a DVC experiment"
    completed(diff.add_argument("old", metavar="REV1", help=text), REVISIONS)
    text = "another; default: the working folder"
    completed(diff.add_argument("new", metavar="REV2", nargs="?", help=text), REVISIONS)
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=_diff)


def _add_export(actions: Actions) -> None:
    export = add_command(actions, "export", "write the run as an RO-Crate (Provenance Run Crate)")
    completed(export.add_argument("folder", help="a new folder"), FOLDER)
    export.add_argument(
        "--limit", type=number(float, 0, 1e9), default=1.0, metavar="MB",
        help="larger files are named by their hash instead of copied; 0 copies all (%(default)s)",
    )  # fmt: skip
    export.add_argument(
        "--with-faults", action="store_true",
        help="export a tree that is not clean; the crate carries what verify says of it",
    )  # fmt: skip
    export.set_defaults(run=_export)


def _add_seal(actions: Actions) -> None:
    seal = add_command(
        actions, "seal", "print one hash over all receipts and outputs, and list them"
    )
    seal.set_defaults(run=_seal)


def _add_check(actions: Actions) -> None:
    check = add_command(
        actions, "check", "check an export that was received; needs no working copy"
    )
    completed(check.add_argument("crate", help="its folder, or a zip of it"), FOLDER)
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=_check, anywhere=True)


def _verify(arguments: argparse.Namespace) -> int:
    """`audit verify`: exit code 1 where something was found."""
    from pathlib import Path

    from textbcs.base.io import InputError
    from textbcs.lineage.audit.verify import Deep, verify

    if arguments.folder is not None or is_export():
        from textbcs.lineage.audit.received.exported import verify_export

        if arguments.against or arguments.head:
            raise InputError("--against, --head: use them in the working copy that was sealed")
        report = verify_export(Path(arguments.folder or "."), arguments.deep)
    else:
        require_working_copy(arguments.typed)
        drawn = Deep(arguments.sample, arguments.trainings, arguments.seed, arguments.stages)
        deep = drawn if arguments.deep else None
        report = verify(arguments.quick, deep, arguments.against, arguments.head)
    return _told(report, arguments.json)


def _replay(arguments: argparse.Namespace) -> int:
    """`audit replay`: exit code 1 where a stage wrote something else, or a named one could not run."""
    from dataclasses import asdict

    from tqdm import tqdm

    from textbcs.lineage.records.findings import counted, visible
    from textbcs.lineage.records.form import Form
    from textbcs.lineage.records.graph import load_graph
    from textbcs.lineage.records.tree import load_tree
    from textbcs.lineage.replay.comparing import Replay
    from textbcs.lineage.replay.replaying import run_again
    from textbcs.lineage.replay.selection import Choice

    def tell(one: Replay) -> None:
        if not arguments.json:
            # Not `print`: on a terminal the progress bar stands in the same place.
            tqdm.write(visible(f"{one.outcome:14} {one.address}  {one.path} {one.detail}".rstrip()))

    choice = Choice(arguments.stages, arguments.sample, arguments.trainings, arguments.seed)
    found = run_again(load_tree(load_graph(Form())), choice, tell)
    different = sum(one.outcome == "different" for one in found.replays)
    unrun = len(found.replays) - found.equal - different
    code = int(different > 0 or (unrun > 0 and bool(arguments.stages)))
    if arguments.json:
        stages = [asdict(one) for one in found.replays]
        print(json.dumps({"seed": found.seed, "stages": stages}, indent=2))
        return code
    for line in found.left_out():
        print(visible(f"left out: {line}"))
    print(
        f"ran {found.equal + different} of {counted(len(found.replays), 'stage')} again with the seed "
        f"{found.seed}: {found.equal} equal, {different} different, {unrun} not replayable"
    )
    return code


def _trace(arguments: argparse.Namespace) -> None:
    """`audit trace`: where a file or a cell comes from."""
    from textbcs.base.io import InputError
    from textbcs.lineage.records.graph import load_graph
    from textbcs.lineage.records.show import as_dot, as_tree
    from textbcs.lineage.tracing.trace import trace_cell, trace_file

    if (arguments.row is None) != (arguments.col is None):
        raise InputError("trace: a cell needs both --row and --col; a file needs neither")
    graph = load_graph()
    if arguments.row is None:
        found = trace_file(graph, arguments.target)
    else:
        found = trace_cell(graph, arguments.target, arguments.row, arguments.col)
    if arguments.seal:
        from textbcs.lineage.seal.sealing import way_to_seal

        found["seal"] = way_to_seal(graph, found["target"])
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif arguments.dot:
        print(as_dot(found))
    else:
        print("\n".join(as_tree(found)))


def _pages(arguments: argparse.Namespace) -> None:
    from textbcs.lineage.records.graph import load_graph
    from textbcs.lineage.tracing.pages import write_pages

    print("\n".join(str(page) for page in write_pages(load_graph())))


def _diff(arguments: argparse.Namespace) -> None:
    """`audit diff`: what differs between two revisions, and why."""
    from textbcs.lineage.comparison.diff import as_json, as_text, diff

    changes, remarks = diff(arguments.old, arguments.new)
    if arguments.json:
        print(json.dumps(as_json(changes, remarks), indent=2, ensure_ascii=False))
    else:
        print("\n".join(as_text(changes, remarks)))


def _check(arguments: argparse.Namespace) -> int:
    """`audit check`: exit code 1 where something was found."""
    from pathlib import Path

    from textbcs.lineage.audit.received.exported import check_crate

    return _told(check_crate(Path(arguments.crate)), arguments.json)


def _told(report: "Report", in_json: bool) -> int:
    """Print a verdict; the exit code is 1 where it is not clean."""
    from textbcs.lineage.audit.summary import as_json, as_text

    print(json.dumps(as_json(report), indent=2) if in_json else "\n".join(as_text(report)))
    return 0 if report.is_clean else 1


def _seal(arguments: argparse.Namespace) -> int:
    """`audit seal`: of a clean tree; exit code 1 where it is not clean."""
    from textbcs.lineage.audit.verify import audited
    from textbcs.lineage.seal import sealing
    from textbcs.lineage.seal.trainings import read_trainings

    tree, report = audited()
    if not report.is_clean:
        _told(report, in_json=False)
        print("nothing was sealed: a seal stands for a tree that is clean")
        return 1
    digests, trainings = sealing.digests_here(tree), read_trainings()
    sealing.write_list(digests)
    print(f"{report.seal}  seal of {len(digests)} receipts and outputs, listed in {sealing.LIST}")
    print(trainings.text() if trainings else "trainings here: no list of them")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    """`audit export`: the RO-Crate of a clean tree, or with `--with-faults` of any, with the verdict."""
    from pathlib import Path

    from textbcs.lineage.audit.summary import as_verdict
    from textbcs.lineage.audit.verify import verify
    from textbcs.lineage.export.crate import export
    from textbcs.lineage.export.entities import METADATA
    from textbcs.lineage.records.graph import load_graph

    folder, graph = Path(arguments.folder), load_graph()
    report = verify() if graph.receipts else None
    if report and not report.is_clean and not arguments.with_faults:
        _told(report, in_json=False)
        print(f"{folder}: nothing was exported; mend the tree, or export it --with-faults")
        return 1
    verdict = as_verdict(report) if report else None
    counts = export(graph, folder, int(arguments.limit * 1e6), verdict)
    print(
        f"{folder / METADATA}: {counts['files']} files, of which {counts['named_only']} are only named "
        f"by their hash; {counts['actions']} actions, {counts['series']} DICOM series, "
        f"{counts['instances']} instances"
    )
    return 0
