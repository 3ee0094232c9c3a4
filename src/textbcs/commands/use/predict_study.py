"""`textbcs predict`: a new study in, the tumour's outline out; from anywhere, without a working copy."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.commands.arguments import add_command, add_jobs
from textbcs.commands.completion import FILE, FOLDER, completed
from textbcs.commands.use.remote_study import address_of, download_bar, store_result
from textbcs.stage.command import one_line

if TYPE_CHECKING:
    from textbcs.outline.study_results import FoundStudy, Options
    from textbcs.package.reading import Package
    from textbcs.study.dicomweb.address import Address

TABLE = "batch.csv"
_MOST_NAMED = 5


def add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `predict` to the command line."""
    text = "outline the tumour in a new study with a packaged model"
    parser = add_command(commands, "predict", text)
    text = (
        "a DICOM folder or file, a NIfTI or NRRD volume, or https://host/dicom-web/studies/UID; with --batch "
        "a folder of such files and folders"
    )
    completed(parser.add_argument("study", metavar="STUDY", help=text), FILE)
    text = "a package's folder or zip, as textbcs package makes it"
    model = parser.add_argument("--model", metavar="PACKAGE", required=True, help=text)
    completed(model, FILE)
    prompt = parser.add_mutually_exclusive_group()
    text = "'location left; shape irregular; size medium; number two'"
    prompt.add_argument("--prompt", metavar="TEXT", help=text)
    text = "read the prompt from a radiology report: a text file, or a table of them by study"
    completed(prompt.add_argument("--report", metavar="FILE", help=text), FILE)
    text = "the prompt that a first pass over the images gives (the default)"
    prompt.add_argument("--auto", action="store_true", help=text)
    text = "keep a prompt that is probably wrong, where else the automatic one takes its place"
    parser.add_argument("--no-fallback", action="store_true", help=text)
    _add_choices(parser)
    parser.set_defaults(run=_run, anywhere=True)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Which series, where to, and how."""
    text = "the series that is shown, or PHASE=UID; of a volume file its number in the file"
    parser.add_argument("--series", metavar="UID", action="append", default=[], help=text)
    text = "which study, where the folder holds several"
    parser.add_argument("--study", metavar="UID", dest="study_uid", default="", help=text)
    text = "folder of the result (STUDY-outline here); with --batch of all results"
    completed(parser.add_argument("--out", metavar="DIR", help=text), FOLDER)
    text = "every folder and volume file in STUDY is a study; what is finished is not done again"
    parser.add_argument("--batch", action="store_true", help=text)
    text = "store SEG and structured report on the DICOMweb server that the study comes from"
    parser.add_argument("--store", action="store_true", help=text)
    text = "also write the probability as a fractional DICOM SEG"
    parser.add_argument("--fractional-seg", action="store_true", help=text)
    add_jobs(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an older result")
    text = "say what would be read and written, write nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)


def _run(arguments: argparse.Namespace) -> int:
    from textbcs.outline.chosen_prompt import PromptWish
    from textbcs.outline.study_results import Options
    from textbcs.package.reading import read_package

    address = address_of(arguments)
    package = read_package(Path(arguments.model))
    report = Path(arguments.report) if arguments.report else None
    options = Options(
        prompt=PromptWish(arguments.prompt, report, not arguments.no_fallback),
        series=tuple(arguments.series) or ((address.series,) if address and address.series else ()),
        study_uid=arguments.study_uid,
        fractional=arguments.fractional_seg,
        jobs=arguments.jobs,
        overwrite=arguments.overwrite,
    )
    if arguments.batch:
        return _batch(arguments, package, options)
    if address is None:
        return _one(Path(arguments.study), arguments, package, options)
    return _remote(address, arguments, package, options)


def _remote(
    address: "Address", arguments: argparse.Namespace, package: "Package", options: "Options"
) -> int:
    """Outline a study of a DICOMweb server, and store the result there if that is wanted."""
    from textbcs.outline.output_folder import check_target
    from textbcs.study.dicomweb.retrieval import local_study

    out = Path(arguments.out or f"{address.study}-outline")
    check_target(out, options.overwrite)
    with download_bar(address) as told, local_study(arguments.study, told) as path:
        code = _one(path, arguments, package, options, out)
    if arguments.store and not arguments.dry_run:
        print(store_result(address, out))
    return code


def _one(
    path: Path,
    arguments: argparse.Namespace,
    package: "Package",
    options: "Options",
    out: Path | None = None,
) -> int:
    """Outline one study."""
    from textbcs.outline.output_folder import check_target
    from textbcs.outline.study_results import find, predict_study
    from textbcs.study.reading import study_name

    out = out or Path(arguments.out or f"{study_name(path)}-outline")
    check_target(out, options.overwrite)
    bar = _bar(path)
    found = find(path, package, options, bar)
    if arguments.dry_run:
        print("\n".join(_plan(found, package, options, out)))
        return 0
    summary = predict_study(found, package, options, out, bar)
    print(f"{one_line(str(out))}: {_told(summary)}")
    for reason in [*summary["reliability"]["reasons"], *summary["notes"]]:
        print(f"warning: {one_line(reason)}", file=sys.stderr)
    return 0


def _batch(arguments: argparse.Namespace, package: "Package", options: "Options") -> int:
    """Outline every study of a folder; code 2 where one failed."""
    from textbcs.outline.study_results import predict_studies, studies_in

    folder = Path(arguments.study)
    out = Path(arguments.out or f"{folder.resolve().name}-outlines")
    paths = studies_in(folder)
    if arguments.dry_run:
        return _plans(paths, package, options, out)
    rows = []
    for name, state, found in predict_studies(paths, package, options, out, _bar):
        if isinstance(found, str):
            print(f"{one_line(name)}: failed: {one_line(found)}", file=sys.stderr, flush=True)
        else:
            print(f"{one_line(name)}: {state}: {_told(found)}", flush=True)
        rows.append(_row(name, state, found))
    _write_table(out / TABLE, rows)
    return _end([row["study"] for row in rows if row["state"] == "failed"], len(rows))


def _plans(paths: Iterable[Path], package: "Package", options: "Options", out: Path) -> int:
    """What a batch would do; a study that cannot be used is said."""
    from textbcs.base.io import InputError
    from textbcs.outline.study_results import find, finished
    from textbcs.study.reading import study_name

    failed, count = [], 0
    for path in paths:
        count += 1
        name = study_name(path)
        try:
            found = find(path, package, options, _bar(path))
        except (InputError, OSError) as error:
            print(f"{one_line(name)}: failed: {one_line(str(error))}", file=sys.stderr)
            failed.append(name)
            continue
        done = not options.overwrite and finished(out / name, found.origin)
        print(f"{one_line(name)}: {'finished' if done else 'to do'}: {_phases(found)}")
    return _end(failed, count)


def _end(failed: list[str], count: int) -> int:
    """The exit code of a batch, and a line where a study failed."""
    from textbcs.base.io import InputError

    if not failed:
        return 0
    more = len(failed) - _MOST_NAMED
    named = ", ".join(failed[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    raise InputError(f"{len(failed)} of {count} studies failed: {named}; mend them and run again")


def _plan(found: "FoundStudy", package: "Package", options: "Options", out: Path) -> Iterator[str]:
    """What would be done, in lines."""
    from textbcs.outline.study_results import files_to_come

    files, stated = found.files, found.stated
    yield f"{one_line(str(files.path))}: {files.kind}; {_phases(found)}"
    prompt = f"{stated.source} prompt" + (f" '{stated.prompt.text}'" if stated.prompt else "")
    yield f"model {package.name} ({package.sha256[:12]}): {prompt}"
    yield f"would write {one_line(str(out))}: {', '.join(files_to_come(found, package, options))}"
    for warning in (*files.warnings, *stated.warnings):
        yield f"warning: {one_line(warning)}"


def _phases(found: "FoundStudy") -> str:
    """The phases that make the image, with what names them."""
    needed = found.files.needed
    told = ", ".join(f"{one.phase} {one_line(one.name)} ({len(one.paths)} files)" for one in needed)
    return f"shows {found.files.shown}: {told}".replace("(1 files)", "(1 file)")


def _told(summary: Mapping[str, Any]) -> str:
    """A result in one line."""
    outline, prompt = summary["outline"], summary["prompt"]
    count = outline["number_of_lesions"]
    if not count:
        told = "nothing found"
    else:
        lesions = "1 lesion" if count == 1 else f"{count} lesions"
        told = f"{lesions}, {outline['volume_ml']:.2f} ml, largest diameter "
        told += f"{outline['largest_diameter_mm']:.1f} mm"
        told += f", {outline['side']}" if outline["side"] else ""
    if prompt["source"] != "none":
        told += f"; {prompt['source']} prompt '{prompt['text']}'"
    return f"{told}; {summary['reliability']['flag']}"


def _row(name: str, state: str, found: Mapping[str, Any] | str) -> dict[str, Any]:
    """A study's row of the table."""
    row: dict[str, Any] = {"study": name, "state": state}
    if isinstance(found, str):
        return row | {"message": one_line(found)}
    outline, prompt, reliability = found["outline"], found["prompt"], found["reliability"]
    return row | {
        "lesions": outline["number_of_lesions"],
        "volume_ml": outline["volume_ml"],
        "largest_diameter_mm": outline["largest_diameter_mm"],
        "side": outline["side"],
        "prompt": prompt["text"],
        "prompt_source": prompt["source"],
        "reliability": reliability["flag"],
        "message": "; ".join([*reliability["reasons"], *found["notes"]]),
    }


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    import pandas as pd

    from textbcs.base.io import write_csv

    columns = (
        *("study", "state", "lesions", "volume_ml", "largest_diameter_mm", "side", "prompt"),
        *("prompt_source", "reliability", "message"),
    )
    # Whole numbers stay whole where a row has none.
    write_csv(path, pd.DataFrame(rows, columns=list(columns), dtype=object))


def _bar(path: Path) -> Any:
    """A progress bar on a terminal, on the standard error stream: what is done, and what is left."""
    from tqdm import tqdm

    from textbcs.outline.study_results import Progress
    from textbcs.study.reading import study_name

    name = one_line(study_name(path))
    shown: dict[str, Any] = {"disable": None, "dynamic_ncols": True, "leave": False}

    class Bar(Progress):
        """tqdm's."""

        bar: Any = None

        def files(self, paths: Iterable[Path]) -> Iterable[Path]:
            found: Iterable[Path] = tqdm(paths, desc=f"{name}: headers", unit="file", **shown)
            return found

        def start(self, total: int) -> None:
            self.bar = tqdm(total=total, desc=f"{name}: slices", unit="batch", **shown)

        def done(self) -> None:
            self.bar.update()
            if self.bar.n == self.bar.total:
                self.bar.close()

    return Bar()
