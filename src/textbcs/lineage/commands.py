"""The command `textbcs audit`: verify, trace, diff, export. Called by cli.py, is no stage."""

import argparse
import json


def add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `audit` and its subcommands to the command line."""
    audit = commands.add_parser("audit", help="where do these numbers come from, and is it true?")
    actions = audit.add_subparsers(required=True, metavar="ACTION", title="actions")

    verify = actions.add_parser("verify", help="check everything against its receipt; 1 on faults")
    verify.add_argument(
        "--quick", action="store_true", help="trust sizes and times since the last audit"
    )
    verify.add_argument(
        "--deep", action="store_true", help="compute cells and a sample of predictions again"
    )
    verify.add_argument("--sample", type=int, default=1, help="with --deep: batches a run")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from textbcs.lineage.verify import as_json, as_text, verify

    report = verify(arguments.quick, arguments.deep, arguments.sample)
    if arguments.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        print("\n".join(as_text(report)))
    return 0 if report.is_clean else 1
