"""The command line: one subcommand per stage, and the few commands that are no stage.

A stage's heavy imports happen inside its subcommand, so `--help` stays quick. What a stage may read,
write and see of the parameters comes from `dvc.yaml`.
"""

import argparse
import importlib
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from textbcs import params as parameters
from textbcs.arguments import add_command
from textbcs.definition import Makers, define, define_all, read_stages
from textbcs.device import slow_precision
from textbcs.io import InputError
from textbcs.lineage.commands import add_audit
from textbcs.lineage.tracking.commands import add_track
from textbcs.presets import preset_names
from textbcs.process import die_with_parent
from textbcs.receipt import Stage

# Stage -> the room's verb and what it does. The order is the order of the pipeline.
STAGES = {
    "phantom": ("textbcs.cohort.phantom:write_archive", "write the synthetic archive"),
    "cohort": ("textbcs.cohort.series:list_cohort", "list the archive's series and patients"),
    "download": (
        "textbcs.cohort.download:download",
        "fetch the selected series and hash every file",
    ),
    "masks": ("textbcs.cohort.masks:make_masks", "carry tumour masks onto the DCE grid"),
    "split": ("textbcs.slices.splits:make_split", "divide eligible patients 7:1:2"),
    "slices": ("textbcs.slices.extract:extract_slices", "cut, scale and resize slices, per split"),
    "flow": ("textbcs.slices.flow:write_flow", "count patients and slices in, left out and kept"),
    "prompts": ("textbcs.prompts.make:make_prompts", "write each slice's prompt, per split"),
    "text": ("textbcs.text.embed:embed_learn", "embed the prompts of train and val"),
    "text_probe": ("textbcs.text.embed:embed_probe", "embed the prompts of test and the probes"),
    "pretrain": (
        "textbcs.training.pretrain:pretrain",
        "fetch or learn the weights that METHOD starts from",
    ),
    "search": ("textbcs.training.search:search", "choose METHOD's learning rate and batch size"),
    "train": ("textbcs.training.train:train", "train METHOD with SEED"),
    "train_variant": ("textbcs.training.train:train", "train VARIANT of TextBCS with SEED"),
    "train_replicate": (
        "textbcs.training.train:train",
        "train METHOD once more, with another SEED",
    ),
    "evaluate": (
        "textbcs.evaluation.evaluate:evaluate",
        "predict and score METHOD with SEED on test",
    ),
    "evaluate_variant": (
        "textbcs.evaluation.evaluate:evaluate",
        "predict and score VARIANT of TextBCS with SEED on test",
    ),
    "evaluate_replicate": (
        "textbcs.evaluation.evaluate:evaluate",
        "predict and score METHOD once more, with another SEED",
    ),
    "robustness": (
        "textbcs.evaluation.robustness:robustness",
        "ask METHOD with SEED with wrong, empty, automatic and reworded prompts",
    ),
    "trivial": ("textbcs.evaluation.trivial:trivial", "score the rows that no network made"),
    "calibrate": (
        "textbcs.evaluation.calibrate:calibrate",
        "fit the temperatures of METHOD with SEED on validation",
    ),
    "calibrate_variants": (
        "textbcs.evaluation.calibrate:calibrate_variants",
        "fit the temperatures of the ablation's rows on validation",
    ),
    "uncertainty": (
        "textbcs.evaluation.uncertainty:assess_uncertainty",
        "assess probabilities and uncertainty on test",
    ),
    "statistics": ("textbcs.evaluation.compare:statistics", "compare the methods, with every test"),
    "replicates": (
        "textbcs.evaluation.replicates:replicates",
        "say how far the seed alone moves a score",
    ),
    "gradcam": (
        "textbcs.explain.attention:gradcam",
        "measure where UNet looks, with and without SVLI",
    ),
    "complexity": ("textbcs.models.complexity:measure", "count parameters and operations"),
    "table1": ("textbcs.reporting.tables:write_table1", "write Table 1"),
    "tables": (
        "textbcs.reporting.papertables:write_tables",
        "write Tables 2 to 4 and the paper's claims",
    ),
    "text_worth": (
        "textbcs.reporting.robustness:write_text_worth",
        "write what the text is worth",
    ),
    "robustness_figures": (
        "textbcs.reporting.robustfigures:write_robustness_figures",
        "draw the dose-response curve and the prompt styles",
    ),
    "figures": (
        "textbcs.reporting.paperfigures:write_figures",
        "draw the paper's result figures",
    ),
    "report": (
        "textbcs.reporting.html:write_report",
        "write the HTML report",
    ),
}


# How a stage's text names the values of its matrix in dvc.yaml, and where they stand.
ITEMS = {
    "METHOD": "a row of Table 1: tables.table1 of params.yaml",
    "VARIANT": "a changed TextBCS: one of tables.variants of params.yaml",
    "SEED": "one of seeds of params.yaml; of a replicate: one of replicates.seeds",
}

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; bad input, and what the system refuses, is one line and exit code 2."""
    arguments = _parser().parse_args(argv)
    try:
        code = int(arguments.run(arguments) or 0)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to continue")
        return 130
    except BrokenPipeError:
        # A reader has seen enough (`| head`): no traceback, the exit code of a tool that it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        named = error.filename is not None and error.strerror
        return _fail(f"{os.fsdecode(error.filename)}: {error.strerror}" if named else str(error))


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def run_stage(name: str, items: Sequence[str]) -> None:
    """Run one stage as `dvc.yaml` defines it and leave its receipt.

    Raises:
        InputError: the parameters or an input are faulty.
    """
    values = parameters.load_params()
    stages = read_stages()
    definition = define(name, tuple(items), values, stages)
    own = parameters.select(values, definition.keys)
    module, verb = STAGES[name][0].split(":")

    def makers() -> Makers:
        return Makers(define_all(values, stages))

    with Stage(definition, own, [name, *items], makers) as stage:
        getattr(importlib.import_module(module), verb)(stage, *items)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textbcs",
        description=(
            "Segment breast tumours in DCE-MRI with the help of a sentence. Snakemake or DVC runs the\n"
            "stages (snakemake --cores all); the commands prepare a run and explain what has run."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_stage_list(),
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_commands(commands)
    add_audit(commands)
    add_track(commands)
    for name in STAGES:
        _add_stage(commands, name)
    return parser


def _stage_list() -> str:
    """The stages for the end of the help: argparse cannot list commands in two groups."""
    lines = [f"  {name:<20}{text}" for name, (_, text) in STAGES.items()]
    return "\n".join(["stages, as dvc.yaml defines them, each a command too:", *lines])


def items_of(stage: str) -> list[str]:
    """The names of a stage's items, in their order, as its text writes them: METHOD, SEED."""
    return re.findall("|".join(ITEMS), STAGES[stage][1])


def _add_stage(commands: Commands, name: str) -> None:
    """A stage; without `help`, since the end of the help lists it."""
    text = STAGES[name][1]
    command = commands.add_parser(name, description=f"Stage: {text}.")
    command.set_defaults(run=_stage, stage=name, items=[])
    for item in items_of(name):
        command.add_argument("items", action="append", metavar=item, help=ITEMS[item])
    if name == "cohort":
        text = "print what a download would fetch, its licences and size; write nothing"
        command.add_argument(
            "--dry-run", action="store_const", const=_estimate, dest="run", help=text
        )
    if name == "complexity":
        text = (
            "print all methods' counts (or those of METHODS) as JSON, a list of rows; write nothing"
        )
        command.add_argument("--json", nargs="*", metavar="METHOD", help=text)


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
    compare = add_command(commands, "compare", "print the paper's Tables 1 to 4 and ours")
    compare.set_defaults(run=_compare)
    text = "delete what the stages wrote; what people put into data/, and the reports, stay"
    cleaner = add_command(commands, "clean", text)
    cleaner.add_argument("--raw", action="store_true", help="delete what was fetched instead")
    cleaner.add_argument(
        "--dry-run", action="store_true", help="show what would go, delete nothing"
    )
    cleaner.set_defaults(run=_clean)
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


def _stage(arguments: argparse.Namespace) -> None:
    if getattr(arguments, "json", None) is not None:
        return _complexity(arguments.json)
    die_with_parent()
    run_stage(arguments.stage, arguments.items)


def _estimate(arguments: argparse.Namespace) -> None:
    from textbcs.cohort.estimate import estimate

    for line in estimate(parameters.load_params()):
        print(line)


def _complexity(names: Sequence[str]) -> None:
    from textbcs.models.complexity import all_rows

    print(json.dumps(all_rows(parameters.load_params(), names or None), indent=2))


def _compare(arguments: argparse.Namespace) -> None:
    from textbcs.reporting.compare import compare_lines

    for line in compare_lines(parameters.load_params()):
        print(line)


def _check(arguments: argparse.Namespace) -> None:
    found = parameters.load_params()
    print("params.yaml is valid")
    if slow_precision(found):
        print(f"slow: {slow_precision(found)}")


def _use(arguments: argparse.Namespace) -> None:
    from textbcs.presets import use_preset

    for line in use_preset(arguments.preset, dry_run=arguments.dry_run):
        print(line)


def _clean(arguments: argparse.Namespace) -> None:
    from textbcs.clean import clean

    for line in clean(raw=arguments.raw, dry_run=arguments.dry_run):
        print(line)


def _template(arguments: argparse.Namespace) -> None:
    from textbcs.prompts.template import write_template

    count = write_template(Path(arguments.folder), outline=not arguments.no_outline)
    print(
        f"{arguments.folder}: {count} slices; fill in prompts.xlsx, then name it in prompts.table"
    )


def _report(arguments: argparse.Namespace) -> None:
    from textbcs.prompts.template import report_lines

    for line in report_lines(Path(arguments.file), Path("data/prompts/thresholds.json")):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
