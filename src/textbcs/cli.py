"""The command line for people: what prepares a run, and what explains and uses what has run.

Stages are no commands: Snakemake and DVC start them through `workflow/stage`. Heavy imports happen inside a
command, so `--help` stays quick.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from textbcs.commands.arguments import add_command
from textbcs.commands.audit import add_audit
from textbcs.commands.import_images import add_import
from textbcs.commands.track import add_track
from textbcs.models.common.device import slow_precision
from textbcs.settings import params as parameters
from textbcs.settings.presets import preset_names
from textbcs.stage.command import exit_code

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input, and what the system refuses, is one line and exit code 2."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textbcs",
        description=(
            "Segment breast tumours in DCE-MRI with the help of a sentence. Snakemake or DVC runs the\n"
            "stages of dvc.yaml (snakemake --cores all); these commands prepare and explain a run."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_commands(commands)
    add_import(commands)
    add_audit(commands)
    add_track(commands)
    return parser


def _add_commands(commands: Commands) -> None:
    """The commands that are no stage, without those of the lineage."""
    check = add_command(commands, "check", "check params.yaml and say whether it is valid")
    check.set_defaults(run=_check)
    use = add_command(
        commands, "use", "make a preset the current params.yaml and show what changed"
    )
    use.add_argument("preset", help=f"one of presets/: {', '.join(preset_names()) or 'none here'}")
    use.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")
    use.set_defaults(run=_use)
    text = (
        "say what is found, used and left out of an archive, with licences and size; write nothing"
    )
    estimator = add_command(commands, "estimate", text)
    estimator.add_argument(
        "--files", action="store_true", help="name every file that is not used, and why"
    )
    estimator.set_defaults(run=_estimate)
    text = "print parameters and operations of all methods, or of some, as JSON; write nothing"
    counter = add_command(commands, "complexity", text)
    counter.add_argument("methods", nargs="*", metavar="METHOD", help="a row of Table 1")
    counter.add_argument("--json", action="store_true", help="the only format; may be left out")
    counter.set_defaults(run=_complexity)
    compare = add_command(commands, "compare", "print the paper's Tables 1 to 4 and ours")
    compare.set_defaults(run=_compare)
    text = "delete what the stages wrote; what people put into data/, and the reports, stay"
    cleaner = add_command(commands, "clean", text)
    kind = cleaner.add_mutually_exclusive_group()
    kind.add_argument("--raw", action="store_true", help="delete what was fetched instead")
    text = "delete only what stages wrote with other parameters, which no stage declares now"
    kind.add_argument("--leftovers", action="store_true", help=text)
    cleaner.add_argument(
        "--dry-run", action="store_true", help="show what would go, delete nothing"
    )
    cleaner.set_defaults(run=_clean)
    _add_prompts(commands)


def _add_prompts(commands: Commands) -> None:
    """The commands for prompts that people write."""
    text = "write an empty prompt table for readers, with a picture per slice"
    template = add_command(commands, "prompts-template", text)
    template.add_argument(
        "--folder", default="reports/prompts_template", help="where to write it (%(default)s)"
    )
    template.add_argument(
        "--no-outline", action="store_true", help="do not draw the mask's outline"
    )
    template.set_defaults(run=_template)
    text = "read attributes from a table of radiology reports, print them as CSV"
    report = add_command(commands, "prompts-report", text)
    report.add_argument("file", help="CSV or XLSX with the columns patient_id, slice, report")
    report.set_defaults(run=_report)


def _estimate(arguments: argparse.Namespace) -> None:
    from textbcs.commands.estimate import estimate

    for line in estimate(parameters.load_params(), arguments.files):
        print(line)


def _complexity(arguments: argparse.Namespace) -> None:
    from textbcs.stages.evaluation.complexity import all_rows

    print(json.dumps(all_rows(parameters.load_params(), arguments.methods or None), indent=2))


def _compare(_: argparse.Namespace) -> None:
    from textbcs.commands.compare import compare_lines

    for line in compare_lines(parameters.load_params()):
        print(line)


def _check(_: argparse.Namespace) -> None:
    from textbcs.commands.check import check_own_files, notes_on_names

    found = parameters.load_params()
    print("params.yaml is valid")
    if slow_precision(found):
        print(f"slow: {slow_precision(found)}")
    for note in notes_on_names(found):
        print(note)
    check_own_files(found)


def _use(arguments: argparse.Namespace) -> None:
    from textbcs.commands.reports_aside import put_aside
    from textbcs.settings.presets import use_preset

    for line in use_preset(arguments.preset, dry_run=arguments.dry_run):
        print(line)
    if not arguments.dry_run and Path("dvc.yaml").is_file():
        for line in put_aside(parameters.load_params()):
            print(line)


def _clean(arguments: argparse.Namespace) -> None:
    from textbcs.commands.clean import clean, clean_leftovers

    dry = arguments.dry_run
    for line in clean_leftovers(dry) if arguments.leftovers else clean(arguments.raw, dry):
        print(line)


def _template(arguments: argparse.Namespace) -> None:
    from textbcs.commands.prompts_template import write_template

    count = write_template(Path(arguments.folder), outline=not arguments.no_outline)
    print(
        f"{arguments.folder}: {count} slices; fill in prompts.xlsx, then name it in prompts.table"
    )


def _report(arguments: argparse.Namespace) -> None:
    from textbcs.commands.prompts_template import report_lines

    for line in report_lines(Path(arguments.file), Path("data/prompts/thresholds.json")):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
