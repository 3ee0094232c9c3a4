"""Stands in for src/textbcs/stages/__main__.py: every stage writes a digest of what dvc.yaml lets it read.

A file is written in place, in two halves with a pause between them, so that a kill leaves a torn one:
worse than the real stages, which rename finished files.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

from textbcs.base.io import canonical_json
from textbcs.settings.params import load_params, select
from textbcs.stage.command import exit_code
from textbcs.stage.definition import define
from textbcs.stage.process import die_with_parent
from textbcs.stage.slurm_jobs import BY_SNAKEMAKE, refuse_beside_slurm_jobs
from textbcs.stage.stage_lock import hold_stage_lock

PAUSE = float(os.environ.get("TOY_PAUSE", "0.02"))


def contents(path: Path) -> bytes:
    """A file's bytes, or those of all files in a folder, by name."""
    files = (
        [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    )
    return b"".join(
        file.as_posix().encode() + file.read_bytes() for file in files if "snake" not in file.name
    )


def write(path: Path, text: str) -> None:
    """Write `text` in two halves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for half in (text[: len(text) // 2], text[len(text) // 2 :]):
            file.write(half)
            file.flush()
            time.sleep(PAUSE)


def main(stage: str, *items: str) -> int:
    """Run the stage."""
    die_with_parent()
    return exit_code(lambda: run(stage, *items))


def run(stage: str, *items: str) -> int:
    """Do the stage's work, behind the same guards as the real ones."""
    if not os.environ.get(BY_SNAKEMAKE):
        refuse_beside_slurm_jobs()
    params = load_params()
    definition = define(stage, items, params)
    hold_stage_lock(definition.address)
    if stage == os.environ.get("TOY_FAIL"):
        print("error: toy.csv: a column is missing; regenerate it", file=sys.stderr)
        return 2
    hog = bytearray(int(os.environ.get("TOY_MEMORY", "0")) << 20)
    hog[::4096] = b"x" * len(hog[::4096])  # so that the system gives the memory
    digest = hashlib.sha256(canonical_json(select(params, definition.keys)).encode())
    inputs = definition.inputs
    if stage == "table1":
        # Only what the parameters name: an older checkout may leave other folders beside it.
        runs = [(m, s) for m in params["tables"]["table1"] for s in params["seeds"]]
        inputs = tuple(f"results/predictions/{method}-s{seed}" for method, seed in runs)
    if stage != "cohort":  # its bytes are the same whatever the archive: early cutoff
        for name in inputs:
            digest.update(contents(Path(name)))
    for name in definition.outputs:
        text = f"{name} {digest.hexdigest()}\n"
        if Path(name).suffix:
            write(Path(name), text)
        else:
            write(Path(name, "slices.csv"), text)
            write(Path(name, "slices.bin"), text[::-1])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
