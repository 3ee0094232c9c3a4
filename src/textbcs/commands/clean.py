"""`textbcs clean`: delete what the stages wrote, and nothing that a person put there.

What may go is derived from `dvc.yaml`. All of it: an output without matrix values as it stands, one with
them by the folder before the first of them, so that runs of other parameters go too. Or left-overs alone:
what has the name of such an output, but with matrix values that the parameters no longer list.
Files of people lie beside those (`data/archive/`, `data/own/`, what git tracks) and are never listed.
Reports are files of git and stay. What was fetched (`data/raw/`) costs hours of network and goes only
when asked for.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError
from textbcs.settings.params import load_params
from textbcs.stage.definition import define_all, lines, read_stages

ROOTS = ("data", "results")
# Written around the stages and by the engines; no stage declares them.
BESIDE = ("data/phantom/archive", "results/runinfo", "logs", ".snakemake")
# Fetched DICOM files, and what an archive gave and a check refused.
RAW = ("data/raw", "data/quarantine")
# What lies here has a stage's address for a name, such as `train@unet-1.json`, also of stages that are gone.
RECORDS = ("results/receipts", "results/runinfo")
_ADDRESS = re.compile(r"\w+(@[\w-]+)?")
_FIELD = re.compile(r"\$\{[^}]*\}")


def clean(raw: bool = False, dry_run: bool = False) -> list[str]:
    """Delete in the working folder, the root of a checkout.

    Args:
        raw: what was fetched, instead of what the stages made of it.
        dry_run: delete nothing.

    Returns:
        A line for each path that goes, and a sum.

    Raises:
        InputError: there is no dvc.yaml here.
    """
    stages = read_stages()  # also with `raw`: outside of a checkout nothing is deleted
    names = RAW if raw else (*written(stages), *BESIDE)
    return _delete_all([Path(name) for name in names if os.path.lexists(name)], dry_run)


def clean_leftovers(dry_run: bool = False) -> list[str]:
    """Delete left-overs in the working folder, the root of a checkout; as `clean`.

    Raises:
        InputError: there is no dvc.yaml here, or params.yaml is faulty.
    """
    return _delete_all(leftovers(load_params(), read_stages()), dry_run)


def leftovers(params: Mapping[str, Any], stages: Mapping[str, Any]) -> list[Path]:
    """What stages wrote with other parameters and no stage declares now, sorted.

    That is a file or folder below `data/` or `results/` whose name is that of an output but for its matrix
    values (`results/runs/unet-s7`), and what is named after a stage that is not there. Anything else, a
    person's `results/runs/notes.txt` say, is none.

    Args:
        params: all parameters.
        stages: those of dvc.yaml.
    """
    definitions = define_all(params, stages)
    declared = {out.rstrip("/") for one in definitions.values() for out in one.outputs}
    outputs = {line for entry in stages.values() for line in _outputs(entry) if _FIELD.search(line)}
    found = {path for output in outputs for path in _named_like(output)}
    records = {
        path
        for folder in RECORDS
        for path in Path(folder).glob("*.json")
        if _ADDRESS.fullmatch(path.stem) and path.stem not in definitions
    }
    return sorted({path for path in found if path.as_posix() not in declared} | records)


def delete(paths: Sequence[Path]) -> None:
    """Delete files, folders and links, and the folders that are left empty.

    Raises:
        InputError: the system refuses it.
    """
    for path in paths:
        try:
            _delete(path)
            _delete_empty_folders(path.parent)
        except OSError as error:  # of a folder it names a file without its folder
            raise InputError(f"{path}: cannot be deleted: {error.strerror or error}") from error


def written(stages: Mapping[str, Any]) -> list[str]:
    """The files and folders below `data/` and `results/` that stages write, sorted.

    Args:
        stages: those of dvc.yaml.
    """
    found = {_fixed(line) for entry in stages.values() for line in _outputs(entry)}
    kept = [name for name in sorted(found) if name.split("/")[0] in ROOTS and "/" in name]
    return [name for name in kept if not any(f"{above}/" in f"{name}/" for above in found - {name})]


def _delete_all(paths: Sequence[Path], dry_run: bool) -> list[str]:
    """A line for each path, with its size, and a sum."""
    sizes = [_size(path) for path in paths]
    links = [path.is_symlink() for path in paths]
    if not dry_run:
        delete(paths)
    verb = "would be deleted" if dry_run else "deleted"
    told = [
        f"{path}  a link, what it points to stays" if is_link else f"{path}  {size / 1e6:.1f} MB"
        for path, size, is_link in zip(paths, sizes, links, strict=True)
    ]
    return [*told, f"{len(paths)} {verb}, {sum(sizes) / 1e9:.2f} GB"]


def _named_like(output: str) -> Iterator[Path]:
    """The paths that an output of `dvc.yaml` could have with any matrix values."""
    if output.split("/")[0] not in ROOTS:
        return
    name = re.compile(r"[\w-]+".join(re.escape(part) for part in _FIELD.split(output)))
    for path in Path().glob(_FIELD.sub("*", output)):
        if name.fullmatch(path.as_posix()):
            yield path


def _outputs(entry: Mapping[str, Any]) -> Iterator[str]:
    for section in ("outs", "metrics", "plots"):
        yield from lines(entry, section)


def _fixed(output: str) -> str:
    """An output, or the folder before its first field: `results/runs/${item.method}` is `results/runs`."""
    start, field, _ = output.partition("${")
    return start.rpartition("/")[0] if field else output.rstrip("/")


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links count nothing."""
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    inside = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(one.lstat().st_size for one in inside)


def _delete(path: Path) -> None:
    """Delete a file, a folder, or a link (not what it points to)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _delete_empty_folders(folder: Path) -> None:
    """Delete a folder, and those above it, as far as nothing is left in them; the roots stay."""
    while folder.as_posix() not in (*ROOTS, ".") and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
