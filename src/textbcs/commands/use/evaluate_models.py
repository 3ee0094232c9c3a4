"""`textbcs evaluate`: what a packaged model is worth on a folder of studies with masks, or two of them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.commands.arguments import add_command, add_jobs
from textbcs.commands.completion import FILE, FOLDER, completed
from textbcs.stage.command import one_line

if TYPE_CHECKING:
    from textbcs.validation.cohort_folder import Cohort
    from textbcs.validation.evaluation import Evaluation

_MOST_NAMED = 5


def add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `evaluate` to the command line."""
    text = "score one or two packaged models on a folder of studies with masks"
    parser = add_command(commands, "evaluate", text)
    text = "folder of studies, each a folder or a volume file, with masks/ and perhaps prompts.csv"
    completed(parser.add_argument("cohort", metavar="COHORT", help=text), FOLDER)
    text = "a package's folder or zip; twice to compare two, paired by patient"
    model = parser.add_argument(
        "--model", metavar="PACKAGE", action="append", required=True, help=text
    )
    completed(model, FILE)
    text = "folder of the result; what it holds of the same patients is not done again"
    completed(parser.add_argument("--out", metavar="DIR", required=True, help=text), FOLDER)
    text = "folder of the masks (COHORT/masks)"
    completed(parser.add_argument("--masks", metavar="DIR", help=text), FOLDER)
    text = "what mask files are called, without suffix (%(default)s); * for any text"
    parser.add_argument("--mask-names", metavar="PATTERN", default="{patient}", help=text)
    text = (
        "which values of a mask are tumour: whole numbers, or all (default: the one that there is)"
    )
    parser.add_argument("--labels", metavar="N", nargs="+", help=text)
    text = "a segment of a DICOM SEG or .seg.nrrd that is tumour (default: the one that there is)"
    parser.add_argument("--segment", metavar="NAME", action="append", help=text)
    _add_prompts(parser)
    add_jobs(parser)
    text = "replace an evaluation of other packages"
    parser.add_argument("--overwrite", action="store_true", help=text)
    text = "say who would be asked and who not, write nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)
    parser.set_defaults(run=_run, anywhere=True)


def _add_prompts(parser: argparse.ArgumentParser) -> None:
    """With which prompts, beside the automatic one."""
    text = "table of prompts: patient_id, and location, shape, size, number or text (COHORT/prompts.csv)"
    completed(parser.add_argument("--prompts", metavar="FILE", help=text), FILE)
    text = "table of radiology reports: patient_id, report"
    completed(parser.add_argument("--reports", metavar="FILE", help=text), FILE)
    text = "keep a prompt that is probably wrong, where else the automatic one takes its place"
    parser.add_argument("--no-fallback", action="store_true", help=text)


def _run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from textbcs.validation.evaluation import check_out, evaluate_patients
    from textbcs.validation.evaluation_files import write_evaluation
    from textbcs.validation.score_tables import markdown

    task, out = _task(arguments), Path(arguments.out)
    check_out(out, task.models, arguments.overwrite)
    for name, reason in task.cohort.without.items():
        print(f"left out: {one_line(name)}: {one_line(reason)}", file=sys.stderr)
    if arguments.dry_run:
        print("\n".join(_plan(task, out)))
        return 0
    results, failed = [], {}
    subjects = evaluate_patients(task, out)
    bar: dict[str, Any] = {"disable": None, "dynamic_ncols": True, "leave": False}
    for name, found in tqdm(subjects, "patients", len(task.cohort.subjects), **bar):
        if isinstance(found, str):
            print(f"{one_line(name)}: failed: {one_line(found)}", file=sys.stderr, flush=True)
            failed[name] = found
        else:
            results.append(found)
    tables = write_evaluation(task, results, failed, out)
    print(markdown(tables, task.how, [f"written to {one_line(str(out))}"]), end="")
    return _end(failed, len(task.cohort.subjects))


def _task(arguments: argparse.Namespace) -> "Evaluation":
    """What is to be evaluated, with all that can be read of it before an image is."""
    from textbcs.base.io import InputError
    from textbcs.evaluation.volumes.patient_scores import Rules
    from textbcs.package.reading import read_package
    from textbcs.settings.presets import COMPLETE, read_preset
    from textbcs.settings.working_copy import project_folder
    from textbcs.validation.cohort_folder import read_cohort
    from textbcs.validation.evaluation import Evaluation, labelled
    from textbcs.validation.reference_masks import MaskRules
    from textbcs.validation.score_tables import Statistics

    if len(arguments.model) > 2:
        raise InputError("--model: at most two packages are compared; evaluate the others apart")
    models = labelled([read_package(Path(one)) for one in arguments.model])
    first = next(iter(models.values()))
    params = read_preset(COMPLETE, project_folder() / "presets")
    scoring = params["evaluation"]
    folder = Path(arguments.cohort)
    cohort = read_cohort(
        folder, Path(arguments.masks) if arguments.masks else None, arguments.mask_names
    )
    tolerances = list(scoring["nsd_tolerances_mm"])
    return Evaluation(
        models,
        cohort,
        _prompts(arguments, folder, cohort),
        MaskRules(
            _labels(arguments.labels), arguments.segment, float(params["masks"]["max_outside"])
        ),
        Rules(tolerances, first.minimum_lesion_mm3, float(scoring["lesions"]["minimum_covered"])),
        Statistics(tolerances, scoring["bootstrap"]),
        arguments.jobs,
    )


def _prompts(arguments: argparse.Namespace, folder: Path, cohort: "Cohort") -> Any:
    """The tables of prompts and reports."""
    from textbcs.base.io import OWN_FILE, existing
    from textbcs.validation.asked_packages import Prompts
    from textbcs.validation.cohort_folder import PROMPTS, read_prompts

    table = Path(arguments.prompts) if arguments.prompts else folder / PROMPTS
    given = None
    if arguments.prompts or table.is_file():
        everybody = [*(one.name for one in cohort.subjects), *cohort.without]
        given = read_prompts(table, everybody)
    reports = existing(Path(arguments.reports), OWN_FILE) if arguments.reports else None
    return Prompts(given, reports, not arguments.no_fallback)


def _labels(words: list[str] | None) -> Any:
    """What `--labels` says."""
    from textbcs.base.io import InputError

    if words is None or words == ["all"]:
        return words and "all"
    if not all(word.isascii() and word.isdigit() for word in words):
        raise InputError("--labels: whole numbers, or all; such as --labels 1 2")
    return [int(word) for word in words]


def _plan(task: "Evaluation", out: Path) -> list[str]:
    """What would be done, in lines."""
    names = [f"{label} ({one.sha256[:12]})" for label, one in task.models.items()]
    lines = [f"models: {', '.join(names)}"]
    for one in task.cohort.subjects:
        lines.append(
            f"{one_line(one.name)}: {one_line(str(one.study))}, mask {one_line(one.mask.name)}"
        )
    return [*lines, f"would write {one_line(str(out))}"]


def _end(failed: dict[str, str], count: int) -> int:
    """The exit code, and a line where a patient failed."""
    from textbcs.base.io import InputError

    if not failed:
        return 0
    named = ", ".join(list(failed)[:_MOST_NAMED])
    more = f" and {len(failed) - _MOST_NAMED} more" if len(failed) > _MOST_NAMED else ""
    raise InputError(
        f"{len(failed)} of {count} patients failed: {named}{more}; the tables are without them: mend them "
        "and run again"
    )
