"""The command line for people: what prepares a run, and what explains and uses what has run.

Stages are no commands: Snakemake and DVC start them through `workflow/stage`. Heavy imports happen inside a
command, so `--help` stays quick.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from textbcs.commands.arguments import add_command
from textbcs.commands.audit import add_audit
from textbcs.commands.completion import (
    FILE,
    FOLDER,
    PRESETS,
    SHELLS,
    Words,
    completed,
    completion,
)
from textbcs.commands.import_images import add_import
from textbcs.commands.track import add_track
from textbcs.commands.use.evaluate_models import add_evaluate
from textbcs.commands.use.package_run import add_package
from textbcs.commands.use.predict_study import add_predict
from textbcs.commands.use.serve import add_serve
from textbcs.models.common.device import slow_precision
from textbcs.settings import params as parameters
from textbcs.settings.methods import method_names
from textbcs.settings.presets import COMPLETE, preset_names, read_preset
from textbcs.settings.working_copy import (
    is_working_copy,
    own_code,
    project_folder,
    require_working_copy,
)
from textbcs.stage.command import exit_code, one_line

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input, and what the system refuses, is one line and exit code 2."""
    if argv is None:
        _run_own_code()
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int | None:
    if not arguments.anywhere:
        require_working_copy(arguments.typed)
    code: int | None = arguments.run(arguments)
    return code


def _run_own_code() -> None:
    """Go on with the code of this working copy, which its stages run, if another was started.

    So it is after `textbcs init`, and in a copy of a checkout whose environment still names the first.
    """
    source = own_code()
    path = os.environ.get("PYTHONPATH", "")
    if source and not f"{path}{os.pathsep}".startswith(f"{source}{os.pathsep}"):
        environment = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{path}".rstrip(os.pathsep)}
        command = [sys.executable, "-m", "textbcs.cli", *sys.argv[1:]]
        os.execve(sys.executable, command, environment)


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
    _add_start(commands)
    _add_commands(commands)
    _add_prompts(commands)
    add_import(commands)
    add_audit(commands)
    add_track(commands)
    add_package(commands)
    add_predict(commands)
    add_serve(commands)
    add_evaluate(commands)
    return parser


def _add_start(commands: Commands) -> None:
    """The commands that make a working copy and help to type."""
    text = "make a working copy of the pipeline in a new or empty folder"
    start = add_command(commands, "init", text)
    completed(start.add_argument("folder", metavar="DIR", help="where to"), FOLDER)
    start.add_argument(
        "--dry-run", action="store_true", help="say what it would hold, write nothing"
    )
    start.set_defaults(run=_init, anywhere=True)
    text = "print a script that completes textbcs with Tab in a shell"
    tab = add_command(commands, "completion", text)
    tab.add_argument("shell", choices=SHELLS, help="for which shell")
    tab.set_defaults(run=_completion, anywhere=True)


def _add_commands(commands: Commands) -> None:
    """The commands that are no stage, without those of the lineage."""
    check = add_command(commands, "check", "check params.yaml and say whether it is valid")
    text = (
        "ask the cluster too whether it would take the jobs: slurm, or another folder of profiles/"
    )
    check.add_argument("--profile", metavar="NAME", help=text)
    check.set_defaults(run=_check)
    use = add_command(
        commands, "use", "make a preset the current params.yaml and show what changed"
    )
    text = f"one of presets/: {', '.join(preset_names()) or 'none here'}"
    completed(use.add_argument("preset", help=text), PRESETS)
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
    methods = counter.add_argument("methods", nargs="*", metavar="METHOD", help="a row of Table 1")
    completed(methods, Words(f"echo {' '.join(method_names())} | xargs -n 1"))
    counter.add_argument("--json", action="store_true", help="the only format; may be left out")
    counter.set_defaults(run=_complexity, anywhere=True)
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


def _add_prompts(commands: Commands) -> None:
    """The commands for prompts of readers and from reports."""
    text = "write an empty prompt table for readers, with a picture per slice"
    template = add_command(commands, "prompts-template", text)
    folder = template.add_argument(
        "--folder", default="reports/prompts_template", help="where to write it (%(default)s)"
    )
    completed(folder, FOLDER)
    template.add_argument(
        "--no-outline", action="store_true", help="do not draw the mask's outline"
    )
    template.set_defaults(run=_template)
    text = "read attributes from a table of radiology reports, print them as CSV"
    report = add_command(commands, "prompts-report", text)
    text = "CSV or XLSX with the columns patient_id, slice, report"
    completed(report.add_argument("file", help=text), FILE)
    text = (
        "the limits of the size classes, as the stage prompts writes them "
        "(default: data/prompts/thresholds.json of the working copy; elsewhere stated words alone count)"
    )
    completed(report.add_argument("--thresholds", metavar="JSON", help=text), FILE)
    report.set_defaults(run=_report, anywhere=True)
    text = "say how much a table of prompts tells of its masks before any image is seen"
    leak = add_command(commands, "prompts-leak", text)
    text = "CSV or XLSX with the columns patient_id, slice, and the attributes or text"
    completed(leak.add_argument("file", help=text), FILE)
    text = "their masks: NIfTI or NRRD files by patient, or PNG files by patient and slice"
    completed(leak.add_argument("--masks", metavar="DIR", required=True, help=text), FOLDER)
    text = "write the rows there too, as CSV"
    completed(leak.add_argument("--out", metavar="CSV", help=text), FILE)
    leak.set_defaults(run=_leak, anywhere=True)


def _init(arguments: argparse.Namespace) -> None:
    from textbcs.commands.init import init

    for line in init(Path(arguments.folder), arguments.dry_run):
        print(line)


def _completion(arguments: argparse.Namespace) -> None:
    print(completion(_parser(), arguments.shell))


def _print(lines: Iterable[str]) -> None:
    """Print all lines, or none where making one of them fails."""
    print("\n".join(lines))


def _estimate(arguments: argparse.Namespace) -> None:
    from textbcs.commands.estimate import estimate

    _print(estimate(parameters.load_params(), arguments.files))


def _complexity(arguments: argparse.Namespace) -> None:
    from textbcs.stages.evaluation.complexity import all_rows

    if is_working_copy():
        params = parameters.load_params()
    else:
        params = read_preset(COMPLETE, project_folder() / "presets")
    print(json.dumps(all_rows(params, arguments.methods or None), indent=2))


def _compare(_: argparse.Namespace) -> None:
    from textbcs.commands.compare import compare_lines

    _print(compare_lines(parameters.load_params()))


def _check(arguments: argparse.Namespace) -> int:
    from textbcs.commands.check import check_own_files, notes_on_names
    from textbcs.commands.own_tables import check_own_tables

    found = parameters.load_params()
    print("params.yaml is valid")
    if slow_precision(found):
        print(f"slow: {slow_precision(found)}")
    for note in notes_on_names(found):
        print(note)
    check_own_files(found)
    for note in check_own_tables(found):
        print(one_line(note))
    if arguments.profile is None:
        return 0
    sys.stdout.flush()
    program = "workflow/slurm/check_profile.py"  # it knows what the engine submits
    return subprocess.run([sys.executable, program, arguments.profile], check=False).returncode


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

    if arguments.thresholds or is_working_copy():
        thresholds = Path(arguments.thresholds or "data/prompts/thresholds.json")
    else:
        thresholds = None
    _print(report_lines(Path(arguments.file), thresholds))


def _leak(arguments: argparse.Namespace) -> None:
    from textbcs.commands.prompts_leak import leak_lines

    out = Path(arguments.out) if arguments.out else None
    _print(leak_lines(Path(arguments.file), Path(arguments.masks), out))


if __name__ == "__main__":
    sys.exit(main())
