"""`textbcs clean`: delete what the stages wrote, and nothing that a person put there.

What may go is derived from `dvc.yaml`: an output without matrix values as it stands, one with them by
the folder before the first of them, so that runs of other parameters go too. Files of people lie
beside those (`data/archive/`, `data/own/`, what git tracks) and are never listed. Reports are files of
git and stay. What was fetched (`data/raw/`) costs hours of network and goes only when asked for.
Reads `dvc.yaml`; deletes files.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.definition import read_stages

ROOTS = ("data", "results")
# Written around the stages and by the engines; no stage declares them.
BESIDE = ("data/phantom/archive", "results/runinfo", "logs", ".snakemake")
# Fetched DICOM files, and what an archive gave and a check refused.
RAW = ("data/raw", "data/quarantine")


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
    paths = [Path(name) for name in names if os.path.lexists(name)]
    sizes = [_size(path) for path in paths]
    if not dry_run:
        for path in paths:
            _delete(path)
            _delete_empty_folders(path.parent)
    verb = "would be deleted" if dry_run else "deleted"
    lines = [f"{path}  {size / 1e6:.1f} MB" for path, size in zip(paths, sizes, strict=True)]
    return [*lines, f"{len(paths)} {verb}, {sum(sizes) / 1e9:.2f} GB"]


def written(stages: Mapping[str, Any]) -> list[str]:
    """The files and folders below `data/` and `results/` that stages write, sorted.

    Args:
        stages: those of dvc.yaml.
    """
    found = {_fixed(line) for entry in stages.values() for line in _outputs(entry)}
    kept = [name for name in sorted(found) if name.split("/")[0] in ROOTS and "/" in name]
    return [name for name in kept if not any(f"{above}/" in f"{name}/" for above in found - {name})]


def _outputs(entry: Mapping[str, Any]) -> Iterator[str]:
    for section in ("outs", "metrics", "plots"):
        for line in entry.get(section, []):
            yield next(iter(line)) if isinstance(line, dict) else line


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
