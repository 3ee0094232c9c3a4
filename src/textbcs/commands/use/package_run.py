"""`textbcs package`: a trained run as one folder that others can run, and perhaps as a zip or for ONNX."""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.commands.arguments import add_command
from textbcs.commands.completion import FOLDER, Words, completed

if TYPE_CHECKING:
    from textbcs.package.packing import Run

RUNS = Path("results/runs")
FOLDER_OF_PACKAGES = "packages"
_RUN = re.compile(r"(?P<method>[a-z][a-z0-9_]*)-s(?P<seed>\d{1,10})")
_TRAINED = Words("ls results/runs 2>/dev/null | cat")


def add_package(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `package` to the command line."""
    text = "pack a trained run into one folder that others can run"
    parser = add_command(commands, "package", text)
    text = "a folder of results/runs, such as textbcs_plus-s1"
    completed(parser.add_argument("name", metavar="RUN", help=text), _TRAINED)
    text = "folder in which the package is written (%(default)s)"
    out = parser.add_argument("--out", metavar="DIR", default=FOLDER_OF_PACKAGES, help=text)
    completed(out, FOLDER)
    parser.add_argument("--zip", action="store_true", help="write it as a zip too")
    text = "write the network as ONNX too; its outputs are compared first (needs textbcs[onnx])"
    parser.add_argument("--onnx", action="store_true", help=text)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what it would hold, write nothing"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from textbcs.settings.params import load_params

    options = {name: getattr(arguments, name) for name in ("zip", "onnx", "dry_run")}
    for line in package_lines(arguments.name, load_params(), Path(arguments.out), **options):
        print(line)


def package_lines(
    name: str,
    params: Mapping[str, Any],
    out: Path,
    *,
    zip: bool = False,
    onnx: bool = False,
    dry_run: bool = False,
) -> Iterator[str]:
    """Pack a run and say what was written.

    Args:
        name: of the run, such as `textbcs_plus-s1`.
        params: all parameters.
        out: the folder in which the package's folder is written.
        zip: whether to write a zip beside it.
        onnx: whether to write the network as ONNX beside it.
        dry_run: whether to write nothing.

    Raises:
        InputError: no such run, or it lacks something; something else lies where it would be written; or
            the ONNX network's outputs differ.
    """
    from textbcs.base.io import existing, sha256_bytes
    from textbcs.package.package_files import SETTINGS
    from textbcs.package.packing import pack
    from textbcs.package.writing import check_target, write_folder, write_zip

    run = run_of(name, params)
    check_target(out / run.name)
    files = pack(run, params, lambda path: existing(path), _receipts())
    total = f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB"
    told = f"{out / run.name}: {total}, sha256 {sha256_bytes(files[SETTINGS])}"
    if dry_run:
        yield from (f"{len(content):>12,}  {inner}" for inner, content in files.items())
        yield f"would write {told}"
        return
    write_folder(out / run.name, files)
    yield told
    if zip:
        write_zip(out / f"{run.name}.zip", run.name, files)
        yield f"{out / run.name}.zip"
    if onnx:
        yield _onnx(out / run.name, out / f"{run.name}.onnx")


def _onnx(folder: Path, path: Path) -> str:
    """Write a package's network as ONNX, and say how far it agrees."""
    from textbcs.package.onnx_export import export
    from textbcs.package.reading import read_package

    return f"{path}: probabilities differ by at most {export(read_package(folder), path):.1e}"


def run_of(name: str, params: Mapping[str, Any]) -> "Run":
    """The run of a name that a person typed.

    Raises:
        InputError: there is none, with the nearest that there is; or it was not trained yet.
    """
    from textbcs.base.io import InputError
    from textbcs.intake.spelling import hint, short
    from textbcs.package.packing import Run
    from textbcs.stage.definition import define_all

    trained = sorted(path.parent.name for path in RUNS.glob("*/model.safetensors"))
    match = _RUN.fullmatch(name)
    if match and name in trained:
        return Run(match["method"], int(match["seed"]))
    wanted = {out for one in define_all(params).values() for out in one.outputs}
    declared = sorted(Path(out).name for out in wanted if Path(out).parent == RUNS)
    if name in declared:
        raise InputError(f"{RUNS / name}: is not trained yet; run snakemake --cores all")
    known = trained or declared
    told = hint(name, known) or f"there are {_some(known)}" if known else "nothing is trained here"
    raise InputError(f"{RUNS}: no run {short(name)}; {told}")


def _some(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _receipts() -> list[str]:
    """Every receipt of the working copy but those of packages."""
    from textbcs.package.receipt_chain import RECEIPTS

    found = sorted(path.as_posix() for path in Path(RECEIPTS).glob("*.json"))
    return [path for path in found if not Path(path).name.startswith("package@")]
