"""The command `textbcs audit`: verify, trace, pages, diff, export."""

import argparse
import json
from typing import TypeAlias

from textbcs.commands.arguments import add_command, number
from textbcs.commands.completion import FOLDER, REVISIONS, TRACED, completed
from textbcs.settings.working_copy import is_export, require_working_copy

Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_audit(commands: Actions) -> None:
    """Add `audit` and its subcommands to the command line."""
    audit = add_command(commands, "audit", "where do these numbers come from, and is it true?")
    audit.description = (
        "Hash the results and compare them with the receipts of the stages, follow a number back to DICOM "
        "instances, compare revisions. Asks neither DVC nor Snakemake, and changes no result."
    )
    actions = audit.add_subparsers(required=True, metavar="ACTION", title="actions")
    for add in (_add_verify, _add_trace, _add_pages, _add_diff, _add_export):
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
        "--deep", action="store_true", help="compute cells, scores and a sample of maps again"
    )
    verify.add_argument(
        "--sample", type=number(int, 0, 10**6), default=1, metavar="N",
        help="with --deep: batches a run and split; 0: all (%(default)s)",
    )  # fmt: skip
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(run=_verify, anywhere=True)


def _add_trace(actions: Actions) -> None:
    trace = add_command(actions, "trace", "from a cell, or any file, back to DICOM instances")
    text = "a table (table1, or its path), or any file of the pipeline"
    completed(trace.add_argument("target", help=text), TRACED)
    trace.add_argument("--row", help="name or number of the row")
    trace.add_argument("--col", help="column, as the .csv names it")
    form = trace.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with every instance")
    form.add_argument("--dot", action="store_true", help="print a graph for Graphviz")
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
    export.set_defaults(run=_export)


def _verify(arguments: argparse.Namespace) -> int:
    """`audit verify`: exit code 1 where something was found."""
    from pathlib import Path

    from textbcs.lineage.audit.summary import as_json, as_text
    from textbcs.lineage.audit.verify import verify

    if arguments.folder is not None or is_export():
        from textbcs.lineage.audit.exported import verify_export

        report = verify_export(Path(arguments.folder or "."), arguments.deep)
    else:
        require_working_copy(arguments.typed)
        report = verify(arguments.quick, arguments.deep, arguments.sample)
    if arguments.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        print("\n".join(as_text(report)))
    return 0 if report.is_clean else 1


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


def _export(arguments: argparse.Namespace) -> None:
    """`audit export`: the RO-Crate."""
    from pathlib import Path

    from textbcs.lineage.export.crate import export
    from textbcs.lineage.export.entities import METADATA
    from textbcs.lineage.records.graph import load_graph

    folder = Path(arguments.folder)
    counts = export(load_graph(), folder, int(arguments.limit * 1e6))
    print(
        f"{folder / METADATA}: {counts['files']} files, of which {counts['named_only']} are only named "
        f"by their hash; {counts['actions']} actions, {counts['series']} DICOM series, "
        f"{counts['instances']} instances"
    )
